-- Turns that were taken back. Their events stay, without their mark: no page and no snapshot has
-- them. `first` is the turn before which the conversation was put back.
CREATE TABLE reverted(
  conv    TEXT NOT NULL,                  -- conversation.id
  turn    TEXT NOT NULL,
  first   TEXT NOT NULL,
  PRIMARY KEY(conv, turn)
) WITHOUT ROWID;
