ALTER TABLE conversation ADD COLUMN forked_from TEXT; -- conversation.id of its source
-- A query must say `forked_from IS NOT NULL`, or compare it, to have this index.
CREATE INDEX conversation_fork ON conversation(forked_from) WHERE forked_from IS NOT NULL;
