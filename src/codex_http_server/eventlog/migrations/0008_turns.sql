-- What belongs to one turn: its start, its items' ends, its diffs, its end.
CREATE INDEX event_turn ON event(conv, turn, type, seq) WHERE mark = 1;
