ALTER TABLE event ADD COLUMN folded INTEGER; -- deltas that the ending event stands for

-- A command's streamed output, joined; offsets count characters.
CREATE TABLE output(
  conv    INTEGER NOT NULL,
  turn    TEXT NOT NULL,
  item    TEXT NOT NULL,
  offset  INTEGER NOT NULL,
  text    TEXT NOT NULL,
  PRIMARY KEY(conv, turn, item, offset)
) WITHOUT ROWID;
