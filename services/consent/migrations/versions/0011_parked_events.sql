-- The events that consent's own consumer parked, by what names them, with the reason as a code.
-- And those that were reported: what was heard before has no mark, since no migration holds the keys.

CREATE TABLE parked_event (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    parked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT parked_event_pk PRIMARY KEY (source, event_id)
);
CREATE INDEX parked_event_ix ON parked_event (parked_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON parked_event TO consent;
CREATE TABLE reported_event (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    mark BYTEA,
    corrected BOOLEAN DEFAULT false NOT NULL,
    reported_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT reported_event_pk PRIMARY KEY (source, event_id)
);
CREATE INDEX reported_event_ix ON reported_event (reported_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON reported_event TO consent;
INSERT INTO reported_event (source, event_id, reported_at)
SELECT source, event_id, received_at FROM inbox WHERE position('|' IN source) > 0;
