/** Changed files, line by line: signs and colours both, so that neither alone has to tell. */

import { memo, useMemo, useState } from "react";
import { Diff as Lines, Hunk } from "react-diff-view";

import { type Change, counts, ofDiff, ofItem } from "./changes.js";
import type { Json } from "./words.js";

const MOST = 400; // changed lines of a file that are drawn before somebody asks

interface DiffProps {
  readonly text: string;
  /** Cut off paths. */
  readonly folder?: string | null;
}

/** A whole diff. */
export const Diff = memo(function Diff({ text, folder = null }: DiffProps) {
  const changes = useMemo(() => ofDiff(text, folder), [text, folder]);
  return <Files changes={changes} />;
});

interface FileChangesProps {
  readonly item: Json;
  readonly status: string;
  readonly folder: string | null;
}

/** The files of an item of the type `fileChange`. */
export const FileChanges = memo(function FileChanges({ item, status, folder }: FileChangesProps) {
  const changes = useMemo(() => ofItem(item, status, folder), [item, status, folder]);
  return <Files changes={changes} />;
});

function Files({ changes }: { readonly changes: readonly Change[] }) {
  return (
    <div className="codex-files">
      {changes.map((change, index) => <OneFile key={`${change.path}${index}`} {...change} />)}
    </div>
  );
}

function OneFile({ path, words, file, plain }: Change) {
  const [all, setAll] = useState(false);
  const [added, gone] = useMemo(() => counts(file), [file]);
  const long = added + gone > MOST && !all;
  return (
    <details className="codex-file" open>
      <summary className="codex-bar">
        <code className="codex-line">{path}</code>
        <span className="codex-state">{words}</span>
        <span className="codex-counts"><ins>+{added}</ins> <del>−{gone}</del></span>
      </summary>
      {long && <button type="button" className="codex-more" onClick={() => setAll(true)}>Show {added + gone} changed lines</button>}
      {file && !long && file.hunks.length > 0 && (
        <div className="codex-lines" tabIndex={0} role="group" aria-label={`Changes in ${path}`}>
          <Lines viewType="unified" diffType={file.type} hunks={file.hunks as never}>
            {(hunks) => hunks.map((hunk) => <Hunk key={hunk.content} hunk={hunk} />)}
          </Lines>
        </div>
      )}
      {plain && <pre className="codex-output">{plain}</pre>}
    </details>
  );
}
