-- The full-text index, made of the events and of the conversations' titles. It is derived: the
-- table with the words (search_text, FTS5) is made by the server, which can make it anew at any time.
CREATE TABLE search_state(
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  version   TEXT NOT NULL,                -- of what is put into it, and how; another: made anew
  position  INTEGER NOT NULL,             -- events up to here are in it
  cleaning  INTEGER NOT NULL              -- 1: words of what was deleted are to be rubbed out; 2: begun
);
INSERT INTO search_state VALUES (1, '', 0, 0);

-- What a row of search_text is of. Newest first is the order of ids; titles lie above all others.
CREATE TABLE search_doc(
  id        INTEGER PRIMARY KEY,          -- search_text.rowid
  conv      INTEGER NOT NULL,             -- conversation.num
  position  INTEGER                       -- of the item's end; null: the conversation's title
);
CREATE INDEX search_conv ON search_doc(conv, position);
CREATE TABLE search_gone(id INTEGER PRIMARY KEY);   -- rows of search_text of what was deleted
CREATE TABLE search_dirty(num INTEGER PRIMARY KEY); -- conversations whose title has changed

-- `OR IGNORE` would not hold in a trigger: what fires it says how conflicts end.
ALTER TABLE conversation ADD COLUMN named TEXT; -- what is searched as its title
CREATE TRIGGER search_begun AFTER INSERT ON conversation BEGIN
  INSERT INTO search_dirty SELECT new.num WHERE new.num NOT IN (SELECT num FROM search_dirty);
END;
CREATE TRIGGER search_named AFTER UPDATE OF named ON conversation WHEN old.named IS NOT new.named BEGIN
  INSERT INTO search_dirty SELECT new.num WHERE new.num NOT IN (SELECT num FROM search_dirty);
END;
