CREATE TABLE approval(
  id    TEXT NOT NULL PRIMARY KEY,
  conv  TEXT NOT NULL,
  state TEXT NOT NULL,                    -- pending, answered (the core may not know yet), ended
  body  BLOB NOT NULL
);
CREATE INDEX approval_conv ON approval(conv, id);
-- A query must say `state <> 'ended'` to the letter to have this index.
CREATE INDEX approval_open ON approval(conv, id) WHERE state <> 'ended';
