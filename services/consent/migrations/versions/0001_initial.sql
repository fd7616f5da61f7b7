-- Everything that consent kept at revision 0001, and what its runtime role might do with it. Never edited again.

CREATE TABLE bus_position (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    CONSTRAINT bus_position_pk PRIMARY KEY (topic, partition)
);
CREATE TABLE case_fact (
    borger_id UUID NOT NULL,
    unit TEXT NOT NULL,
    case_reference TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT case_fact_pk PRIMARY KEY (borger_id, unit, case_reference)
);
CREATE TABLE catalogue_entry (
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    body JSONB NOT NULL,
    CONSTRAINT catalogue_entry_pk PRIMARY KEY (kind, code, version)
);
CREATE TABLE catalogue_revision (
    "only" SMALLINT NOT NULL,
    revision BIGINT NOT NULL,
    CONSTRAINT catalogue_revision_pk PRIMARY KEY ("only")
);
CREATE TABLE citizen (
    borger_id UUID NOT NULL,
    cpr_lookup BYTEA NOT NULL,
    lookup_key_version TEXT NOT NULL,
    cpr_ciphertext BYTEA NOT NULL,
    encryption_key_version TEXT NOT NULL,
    birth_date DATE NOT NULL,
    died_on DATE,
    moved_out_on DATE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT citizen_pk PRIMARY KEY (borger_id),
    CONSTRAINT citizen_lookup_key_version_cpr_lookup_uq UNIQUE (lookup_key_version, cpr_lookup)
);
CREATE TABLE consent (
    consent_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    purpose_version INTEGER NOT NULL,
    holder_unit TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    categories TEXT[] NOT NULL,
    legal_basis TEXT NOT NULL,
    text_code TEXT NOT NULL,
    text_version INTEGER NOT NULL,
    text_sha256 TEXT NOT NULL,
    language TEXT NOT NULL,
    status TEXT NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
    given_at TIMESTAMP WITH TIME ZONE,
    valid_from TIMESTAMP WITH TIME ZONE,
    valid_until TIMESTAMP WITH TIME ZONE NOT NULL,
    ceiling_until TIMESTAMP WITH TIME ZONE NOT NULL,
    revision INTEGER NOT NULL,
    closed_reason TEXT,
    CONSTRAINT consent_pk PRIMARY KEY (consent_id)
);
CREATE INDEX consent_borger_id_requested_at_consent_id_ix ON consent (borger_id, requested_at, consent_id);
CREATE INDEX consent_ending_ix ON consent (valid_until) WHERE status IN ('pending_signature', 'active');
CREATE UNIQUE INDEX consent_open_uq ON consent (borger_id, purpose, holder_unit, recipient_unit, status) WHERE status IN ('requested', 'pending_signature', 'active');
CREATE TABLE coverage (
    borger_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    holder_unit TEXT NOT NULL,
    category TEXT NOT NULL,
    since_epoch BIGINT NOT NULL,
    CONSTRAINT coverage_pk PRIMARY KEY (borger_id, purpose, recipient_unit, holder_unit, category)
);
CREATE TABLE custody (
    child UUID NOT NULL,
    holder UUID NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE NOT NULL,
    valid_to TIMESTAMP WITH TIME ZONE,
    CONSTRAINT custody_pk PRIMARY KEY (child, holder, valid_from)
);
CREATE INDEX custody_holder_ix ON custody (holder);
CREATE TABLE fence_generation (
    "only" SMALLINT NOT NULL,
    generation BIGINT NOT NULL,
    CONSTRAINT fence_generation_pk PRIMARY KEY ("only")
);
CREATE TABLE fence_order (
    holder_id UUID NOT NULL,
    slot TEXT NOT NULL,
    ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT fence_order_pk PRIMARY KEY (holder_id)
);
CREATE INDEX fence_order_slot_ix ON fence_order (slot);
CREATE TABLE holder (
    holder_id UUID NOT NULL,
    slot TEXT NOT NULL,
    supervisor TEXT NOT NULL,
    token_sha256 BYTEA NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    died_at TIMESTAMP WITH TIME ZONE,
    death_proof TEXT,
    confirmed_by TEXT,
    CONSTRAINT holder_pk PRIMARY KEY (holder_id)
);
CREATE INDEX holder_living_ix ON holder (slot) WHERE died_at IS NULL;
CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    status INTEGER,
    response JSON,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT idempotency_pk PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_created_at_ix ON idempotency (created_at);
CREATE TABLE inbox (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT inbox_pk PRIMARY KEY (source, event_id)
);
CREATE TABLE other_basis (
    basis_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    holder_unit TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    category TEXT NOT NULL,
    purpose TEXT NOT NULL,
    legal_basis TEXT NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE NOT NULL,
    valid_until TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT other_basis_pk PRIMARY KEY (basis_id)
);
CREATE INDEX other_basis_borger_id_ix ON other_basis (borger_id);
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
CREATE TABLE permit (
    permit_id UUID NOT NULL,
    holder_id UUID NOT NULL,
    state TEXT NOT NULL,
    notification_id UUID,
    actor TEXT,
    kind TEXT,
    request_sha256 BYTEA,
    consent_ids UUID[],
    acquired_at TIMESTAMP WITH TIME ZONE,
    lease_until TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    outcome TEXT,
    CONSTRAINT permit_pk PRIMARY KEY (permit_id)
)
 WITH (fillfactor = 60);
CREATE TABLE permit_scope (
    permit_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    holder_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    CONSTRAINT permit_scope_pk PRIMARY KEY (permit_id, borger_id)
);
CREATE INDEX permit_scope_borger_id_purpose_recipient_unit_ix ON permit_scope (borger_id, purpose, recipient_unit);
CREATE TABLE receipt (
    receipt_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    previous_sha256 TEXT,
    event TEXT NOT NULL,
    consent_id UUID,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    jws TEXT NOT NULL,
    CONSTRAINT receipt_pk PRIMARY KEY (receipt_id),
    CONSTRAINT receipt_borger_id_sequence_uq UNIQUE (borger_id, sequence)
);
CREATE TABLE refusal (
    refusal_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lifted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT refusal_pk PRIMARY KEY (refusal_id)
);
CREATE INDEX refusal_borger_id_ix ON refusal (borger_id);
CREATE TABLE scope (
    borger_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    CONSTRAINT scope_pk PRIMARY KEY (borger_id, purpose, recipient_unit)
);
CREATE TABLE use_log (
    notification_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    day DATE NOT NULL,
    purpose TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    holder_unit TEXT NOT NULL,
    categories TEXT[] NOT NULL,
    event_type TEXT NOT NULL,
    consent_ids UUID[] NOT NULL,
    count INTEGER NOT NULL,
    not_sent INTEGER DEFAULT 0 NOT NULL,
    unknown INTEGER DEFAULT 0 NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT use_log_pk PRIMARY KEY (notification_id, borger_id, actor, kind, day)
)
 WITH (fillfactor = 80);
CREATE INDEX use_log_borger_id_last_at_ix ON use_log (borger_id, last_at);
CREATE TABLE withdrawal (
    withdrawal_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    act TEXT NOT NULL,
    object_id UUID NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    drained_at TIMESTAMP WITH TIME ZONE,
    receipt_id UUID NOT NULL,
    CONSTRAINT withdrawal_pk PRIMARY KEY (withdrawal_id),
    CONSTRAINT withdrawal_object_id_act_uq UNIQUE (object_id, act)
);
CREATE INDEX withdrawal_borger_id_ix ON withdrawal (borger_id);
CREATE INDEX withdrawal_draining_ix ON withdrawal (registered_at) WHERE drained_at IS NULL;
CREATE TABLE withdrawal_scope (
    withdrawal_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    CONSTRAINT withdrawal_scope_pk PRIMARY KEY (withdrawal_id, borger_id, purpose, recipient_unit)
);
CREATE TABLE consent_history (
    consent_id UUID NOT NULL,
    revision INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    status TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    reason TEXT,
    snapshot JSONB NOT NULL,
    CONSTRAINT consent_history_pk PRIMARY KEY (consent_id, revision),
    CONSTRAINT consent_history_consent_id_fk FOREIGN KEY(consent_id) REFERENCES consent (consent_id)
);
CREATE TABLE declaration (
    declaration_id UUID NOT NULL,
    consent_id UUID NOT NULL,
    giver UUID NOT NULL,
    role TEXT NOT NULL,
    method TEXT NOT NULL,
    assurance TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    text_sha256 TEXT NOT NULL,
    affirmed_special TEXT[] NOT NULL,
    CONSTRAINT declaration_pk PRIMARY KEY (declaration_id),
    CONSTRAINT declaration_consent_id_giver_uq UNIQUE (consent_id, giver),
    CONSTRAINT declaration_consent_id_fk FOREIGN KEY(consent_id) REFERENCES consent (consent_id)
);

GRANT SELECT, INSERT, UPDATE ON citizen TO consent;
GRANT SELECT, INSERT, UPDATE ON custody TO consent;
GRANT SELECT, INSERT, UPDATE ON case_fact TO consent;
GRANT SELECT ON catalogue_entry TO consent;
GRANT SELECT ON catalogue_revision TO consent;
GRANT SELECT, INSERT, UPDATE ON consent TO consent;
GRANT SELECT, INSERT ON consent_history TO consent;
GRANT SELECT, INSERT ON declaration TO consent;
GRANT SELECT, INSERT, UPDATE ON refusal TO consent;
GRANT SELECT, INSERT, UPDATE ON other_basis TO consent;
GRANT SELECT, INSERT ON receipt TO consent;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO consent;
GRANT SELECT, INSERT, UPDATE ON scope TO consent;
GRANT SELECT, INSERT, UPDATE ON coverage TO consent;
GRANT SELECT ON fence_generation TO consent;
GRANT SELECT, INSERT, UPDATE ON withdrawal TO consent;
GRANT SELECT, INSERT ON withdrawal_scope TO consent;
GRANT SELECT, INSERT, UPDATE ON holder TO consent;
GRANT SELECT, INSERT ON fence_order TO consent;
GRANT SELECT, INSERT, UPDATE, DELETE ON permit TO consent;
GRANT SELECT, INSERT, DELETE ON permit_scope TO consent;
GRANT SELECT, INSERT, UPDATE ON use_log TO consent;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO consent;
GRANT SELECT, INSERT, UPDATE ON outbox_lane TO consent;
GRANT SELECT, INSERT, DELETE ON inbox TO consent;
GRANT SELECT, INSERT, UPDATE ON bus_position TO consent;

INSERT INTO fence_generation ("only", generation) VALUES (1, 1);
