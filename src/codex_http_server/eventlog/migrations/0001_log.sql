CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE conversation(
  num         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  thread_id   TEXT NOT NULL,
  directory   TEXT NOT NULL,
  search      TEXT NOT NULL,              -- title and preview, for ?q=
  status      TEXT NOT NULL,
  archived    INTEGER NOT NULL,
  last_seq    INTEGER NOT NULL DEFAULT 0, -- of its newest event but for deltas, which may lie behind it
  reserved    INTEGER NOT NULL DEFAULT 0, -- no seq up to this one is given out after a start
  open_since  INTEGER NOT NULL DEFAULT 0,
  body        BLOB NOT NULL
);
CREATE INDEX conversation_open ON conversation(num) WHERE open_since > 0;

CREATE TABLE event(
  position  INTEGER PRIMARY KEY,          -- order of commit over all conversations
  conv      INTEGER NOT NULL,             -- conversation.num; 0: the server or the account
  seq       INTEGER NOT NULL,             -- in conv 0: the position
  at_ms     INTEGER NOT NULL,
  type      TEXT NOT NULL,
  turn      TEXT,
  item      TEXT,
  item_type TEXT,
  text      TEXT,                         -- only where data does not hold it
  status    TEXT,
  synthetic TEXT,
  core      TEXT NOT NULL,
  mark      INTEGER,                      -- 1: a page, a snapshot or the fold looks for it
  data      BLOB NOT NULL,                -- the core's params, byte for byte
  policy    BLOB                          -- what a turn runs under, on turn/started
);
CREATE UNIQUE INDEX event_seq ON event(conv, seq);
-- The few events of a turn that are looked for by type. A query must say `mark = 1` too, to the
-- letter: SQLite uses a partial index only where its condition stands in the query.
CREATE INDEX event_mark ON event(conv, type, seq, turn) WHERE mark = 1;

CREATE TABLE submit(
  id        TEXT PRIMARY KEY,
  conv      TEXT NOT NULL,
  key       TEXT,
  state     TEXT NOT NULL,
  turn      TEXT,
  place     REAL NOT NULL,
  created_ms INTEGER NOT NULL,
  body      BLOB NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX submit_key ON submit(conv, key) WHERE key IS NOT NULL;
CREATE INDEX submit_waiting ON submit(conv, place) WHERE state IN ('queued', 'starting', 'steering');
CREATE INDEX submit_turn ON submit(conv, turn) WHERE turn IS NOT NULL;

CREATE TABLE answer(
  scope      TEXT NOT NULL,
  key        TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  body       BLOB NOT NULL,
  PRIMARY KEY(scope, key)
) WITHOUT ROWID;
