-- What was heard before has no mark, since no migration holds the keys: its corrections are judged by its name alone.

CREATE TABLE reported_event (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    mark BYTEA,
    corrected BOOLEAN DEFAULT false NOT NULL,
    reported_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT reported_event_pk PRIMARY KEY (source, event_id)
);
CREATE INDEX reported_event_ix ON reported_event (reported_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON reported_event TO advis;
INSERT INTO reported_event (source, event_id, reported_at)
SELECT source, event_id, received_at FROM inbox WHERE position('|' IN source) > 0;
