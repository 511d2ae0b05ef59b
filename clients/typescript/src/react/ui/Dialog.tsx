/** A window over the page: the browser's own, which keeps the focus and closes on Esc. */

import { type ReactNode, useEffect, useId, useRef } from "react";

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={box} className="codex-dialog" aria-labelledby={heading} onClose={onClose}>
      <div className="codex-bar">
        <h3 id={heading}>{title}</h3>
        <button type="button" className="codex-close" aria-label="Close" onClick={onClose}>×</button>
      </div>
      {children}
    </dialog>
  );
}
