/** Something that a person does: it runs, it may fail, and they are told why and what to do. */

import { useCallback, useState } from "react";

import { ClientError } from "../../errors.js";

export interface Action<Arguments extends readonly unknown[]> {
  /** Do it; true once it is done, false where it failed. One at a time: else it is left out. */
  readonly run: (...args: Arguments) => Promise<boolean>;
  readonly busy: boolean;
  readonly error: Error | null;
  readonly forget: () => void;
}

export function useAction<Arguments extends readonly unknown[]>(
  act: (...args: Arguments) => Promise<unknown>,
): Action<Arguments> {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const run = async (...args: Arguments): Promise<boolean> => {
    if (busy) return false;
    setBusy(true);
    setError(null);
    try {
      await act(...args);
      return true;
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { run, busy, error, forget: useCallback(() => setError(null), []) };
}

interface ProblemProps {
  readonly error: Error | null;
  readonly onAgain?: (() => void) | undefined;
  readonly onClose?: (() => void) | undefined;
}

/** What went wrong, and what to do. */
export function Problem({ error, onAgain, onClose }: ProblemProps) {
  if (!error) return null;
  const hint = error instanceof ClientError ? error.hint : null;
  return (
    <div className="codex-problem" role="alert">
      <p>{error.message}</p>
      {hint && <p className="codex-hint">{hint}</p>}
      {onAgain && <button type="button" onClick={onAgain}>Try again</button>}
      {onClose && <button type="button" className="codex-close" aria-label="Close" onClick={onClose}>×</button>}
    </div>
  );
}
