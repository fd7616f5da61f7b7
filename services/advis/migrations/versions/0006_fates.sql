-- The events that were parked, by what names them, with the reason as a code.

CREATE TABLE parked_event (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    parked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT parked_event_pk PRIMARY KEY (source, event_id)
);
CREATE INDEX parked_event_ix ON parked_event (parked_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON parked_event TO advis;
