-- One row for each turn that has ended: what it cost, and whose message started it.
CREATE TABLE turn(
  conv        TEXT NOT NULL,              -- conversation.id
  turn        TEXT NOT NULL,
  caller      TEXT NOT NULL,
  ended_ms    INTEGER NOT NULL,
  spent_ms    INTEGER NOT NULL,
  input       INTEGER NOT NULL,
  cached_input INTEGER NOT NULL,          -- of input
  cache_write_input INTEGER NOT NULL,
  output      INTEGER NOT NULL,
  reasoning_output INTEGER NOT NULL,      -- of output
  total       INTEGER NOT NULL,
  body        BLOB NOT NULL,
  PRIMARY KEY(conv, turn)
) WITHOUT ROWID;
CREATE INDEX turn_ended ON turn(ended_ms);
