-- What the service wants a person to look at, until somebody has.

CREATE TABLE alarm (
    alarm_id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT NOT NULL,
    about TEXT NOT NULL,
    count BIGINT NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    acknowledged_at TIMESTAMP WITH TIME ZONE,
    acknowledged_by TEXT,
    CONSTRAINT alarm_pk PRIMARY KEY (alarm_id)
);
CREATE INDEX alarm_acknowledged_ix ON alarm (acknowledged_at) WHERE acknowledged_at IS NOT NULL;
CREATE UNIQUE INDEX alarm_open_uq ON alarm (code, about) WHERE acknowledged_at IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON alarm TO audit;
