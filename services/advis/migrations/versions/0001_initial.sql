-- Everything that advis kept at revision 0001, and what its runtime role might do with it. Never edited again.

CREATE TABLE bus_position (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    CONSTRAINT bus_position_pk PRIMARY KEY (topic, partition)
);
CREATE TABLE case_registry (
    unit TEXT NOT NULL,
    case_reference TEXT NOT NULL,
    borger_id UUID NOT NULL,
    caseworker TEXT,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT case_registry_pk PRIMARY KEY (unit, case_reference)
);
CREATE INDEX case_registry_borger_id_ix ON case_registry (borger_id) WHERE closed_at IS NULL;
CREATE INDEX case_registry_unit_caseworker_ix ON case_registry (unit, caseworker) WHERE closed_at IS NULL;
CREATE TABLE inbox (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT inbox_pk PRIMARY KEY (source, event_id)
);
CREATE TABLE ingested (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT ingested_pk PRIMARY KEY (source, event_id)
);
CREATE INDEX ingested_received_at_ix ON ingested (received_at);
CREATE TABLE notification (
    notification_id UUID NOT NULL,
    decision_id UUID NOT NULL,
    event_source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    category TEXT,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    arrived_at TIMESTAMP WITH TIME ZONE NOT NULL,
    holder_unit TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    purpose TEXT NOT NULL,
    subject UUID NOT NULL,
    case_reference TEXT NOT NULL,
    reveals JSONB NOT NULL,
    persons UUID[] NOT NULL,
    state TEXT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    correlation_id TEXT,
    CONSTRAINT notification_pk PRIMARY KEY (notification_id),
    CONSTRAINT notification_uq UNIQUE (event_source, event_id, recipient_unit, purpose, subject),
    CONSTRAINT notification_state_ck CHECK (state IN ('unread', 'read', 'handled', 'cancelled'))
);
CREATE INDEX notification_case_ix ON notification (recipient_unit, case_reference) WHERE state <> 'cancelled';
CREATE INDEX notification_changed_ix ON notification (changed_at);
CREATE INDEX notification_persons_ix ON notification USING gin (persons) WHERE state <> 'cancelled';
CREATE TABLE outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    lane SMALLINT NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    headers JSONB NOT NULL,
    payload BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    generation BIGINT,
    number BIGINT,
    CONSTRAINT outbox_pk PRIMARY KEY (id)
);
CREATE UNIQUE INDEX outbox_numbered ON outbox (lane, generation, number);
CREATE INDEX outbox_unnumbered ON outbox (id) WHERE number IS NULL;
CREATE TABLE outbox_lane (
    lane SMALLINT NOT NULL,
    generation BIGINT DEFAULT 1 NOT NULL,
    numbered BIGINT DEFAULT 0 NOT NULL,
    sent BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT outbox_lane_pk PRIMARY KEY (lane)
);
CREATE TABLE doorbell (
    doorbell_id UUID NOT NULL,
    notification_id UUID NOT NULL,
    recipient_unit TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE NOT NULL,
    first_rung_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT doorbell_pk PRIMARY KEY (doorbell_id),
    CONSTRAINT doorbell_uq UNIQUE (notification_id),
    CONSTRAINT doorbell_state_ck CHECK (state IN ('due', 'rung', 'given_up', 'cancelled')),
    CONSTRAINT doorbell_notification_id_fk FOREIGN KEY(notification_id) REFERENCES notification (notification_id) ON DELETE CASCADE
);
CREATE INDEX doorbell_due_ix ON doorbell (next_attempt_at) WHERE state = 'due';
GRANT SELECT, INSERT, UPDATE ON case_registry TO advis;
GRANT SELECT, INSERT, UPDATE, DELETE ON notification TO advis;
GRANT SELECT, INSERT, UPDATE, DELETE ON doorbell TO advis;
GRANT SELECT, INSERT, DELETE ON ingested TO advis;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO advis;
GRANT SELECT, INSERT, UPDATE ON outbox_lane TO advis;
GRANT SELECT, INSERT, DELETE ON inbox TO advis;
GRANT SELECT, INSERT, UPDATE ON bus_position TO advis;
