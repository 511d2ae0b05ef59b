-- What is left of a deleted conversation: its number, which the event that tells of it has.
CREATE TABLE deleted(
  num INTEGER PRIMARY KEY,
  id  TEXT NOT NULL UNIQUE
);
