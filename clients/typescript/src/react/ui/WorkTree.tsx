/** All that is changed in the working directory, whoever did it, as git sees it. */

import { useEffect, useState } from "react";

import { ApiError } from "../../errors.js";
import type { WorkTreeDiff } from "../../generated/index.js";
import { useCodex } from "../index.js";
import { Problem, useAction } from "./action.js";
import { Diff } from "./Diff.js";
import { Dialog } from "./Dialog.js";

interface WorkTreeProps {
  readonly conversationId: string;
  readonly onClose: () => void;
}

export function WorkTree({ conversationId, onClose }: WorkTreeProps) {
  const client = useCodex();
  const [diff, setDiff] = useState<WorkTreeDiff | null>(null);
  const read = useAction(async () => {
    const found = await client.conversation(conversationId).diff({ of: "work_tree" });
    if (found.of === "work_tree") setDiff(found);
  });
  useEffect(() => void read.run(), [conversationId]);
  // A folder without git is no error: there is only nothing to compare it with.
  const without = read.error instanceof ApiError && read.error.status === 422 ? read.error : null;
  return (
    <Dialog title="Changes in the work tree" onClose={onClose}>
      <button type="button" disabled={read.busy} onClick={() => void read.run()}>Read again</button>
      {without ? <p className="codex-hint">{without.message}</p> : <Problem error={read.error} />}
      {diff && (diff.diff ? <Diff text={diff.diff} /> : <p>Nothing is changed.</p>)}
      {diff?.truncated && <p className="codex-hint">There is more than is shown here.</p>}
    </Dialog>
  );
}
