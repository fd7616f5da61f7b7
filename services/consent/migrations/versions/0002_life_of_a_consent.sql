-- The life of a consent in full: requests, representatives, what employees attest, notices, restrictions, other bases.

CREATE TABLE attestation (
    attestation_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    giver UUID NOT NULL,
    act TEXT NOT NULL,
    content JSONB NOT NULL,
    method TEXT NOT NULL,
    conversed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attested_by TEXT NOT NULL,
    attested_unit TEXT NOT NULL,
    attested_role TEXT NOT NULL,
    assurance TEXT NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lapses_at TIMESTAMP WITH TIME ZONE,
    status TEXT NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    object_id UUID,
    revision INTEGER NOT NULL,
    CONSTRAINT attestation_pk PRIMARY KEY (attestation_id)
);
CREATE INDEX attestation_attested_unit_registered_at_attestation_id_ix ON attestation (attested_unit, registered_at, attestation_id);
CREATE INDEX attestation_borger_id_ix ON attestation (borger_id);
CREATE INDEX attestation_waiting_ix ON attestation (lapses_at) WHERE status = 'proposed';
CREATE TABLE authority (
    authority_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    representative UUID NOT NULL,
    kind TEXT NOT NULL,
    replaces BOOLEAN NOT NULL,
    purposes TEXT[],
    valid_from DATE NOT NULL,
    valid_to DATE,
    evidence TEXT NOT NULL,
    recorded_by TEXT NOT NULL,
    recorded_unit TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status TEXT NOT NULL,
    confirmed_by TEXT,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    revision INTEGER NOT NULL,
    CONSTRAINT authority_pk PRIMARY KEY (authority_id)
);
CREATE UNIQUE INDEX authority_open_uq ON authority (borger_id, representative) WHERE status IN ('proposed', 'active');
CREATE INDEX authority_recorded_unit_recorded_at_authority_id_ix ON authority (recorded_unit, recorded_at, authority_id);
CREATE INDEX authority_representative_ix ON authority (representative);
CREATE TABLE consent_request (
    request_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    unit TEXT NOT NULL,
    function TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    case_reference TEXT,
    purpose TEXT NOT NULL,
    text_code TEXT NOT NULL,
    text_version INTEGER NOT NULL,
    text_sha256 TEXT NOT NULL,
    language TEXT NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answer_by TIMESTAMP WITH TIME ZONE NOT NULL,
    reminded_at TIMESTAMP WITH TIME ZONE,
    cancelled_at TIMESTAMP WITH TIME ZONE,
    revision INTEGER NOT NULL,
    CONSTRAINT consent_request_pk PRIMARY KEY (request_id)
);
CREATE INDEX consent_request_borger_id_requested_at_request_id_ix ON consent_request (borger_id, requested_at, request_id);
CREATE INDEX consent_request_unit_requested_at_request_id_ix ON consent_request (unit, requested_at, request_id);
CREATE TABLE custody_fact (
    child UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    holders UUID[] NOT NULL,
    CONSTRAINT custody_fact_pk PRIMARY KEY (child, at)
);
CREATE TABLE notice (
    notice_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    audience TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT notice_pk PRIMARY KEY (notice_id)
);
CREATE INDEX notice_citizen_ix ON notice (borger_id, at, notice_id) WHERE audience = 'citizen';
CREATE INDEX notice_dpo_ix ON notice (at, notice_id) WHERE audience = 'dpo';
CREATE INDEX notice_object_id_ix ON notice (object_id);
CREATE TABLE restriction (
    restriction_id UUID NOT NULL,
    borger_id UUID NOT NULL,
    consent_id UUID,
    ground TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_by TEXT NOT NULL,
    announced_at TIMESTAMP WITH TIME ZONE,
    lifted_at TIMESTAMP WITH TIME ZONE,
    lifted_by TEXT,
    CONSTRAINT restriction_pk PRIMARY KEY (restriction_id)
);
CREATE INDEX restriction_borger_id_ix ON restriction (borger_id);
CREATE TABLE withdrawal_part (
    withdrawal_id UUID NOT NULL,
    consent_id UUID NOT NULL,
    outcome TEXT NOT NULL,
    receipt_id UUID,
    CONSTRAINT withdrawal_part_pk PRIMARY KEY (withdrawal_id, consent_id)
);
CREATE INDEX withdrawal_part_consent_id_ix ON withdrawal_part (consent_id);
CREATE TABLE request_item (
    item_id UUID NOT NULL,
    request_id UUID NOT NULL,
    place INTEGER NOT NULL,
    holder_unit TEXT NOT NULL,
    recipient_unit TEXT NOT NULL,
    categories TEXT[] NOT NULL,
    consent_id UUID NOT NULL,
    CONSTRAINT request_item_pk PRIMARY KEY (item_id),
    CONSTRAINT request_item_request_id_fk FOREIGN KEY(request_id) REFERENCES consent_request (request_id),
    CONSTRAINT request_item_consent_id_fk FOREIGN KEY(consent_id) REFERENCES consent (consent_id)
);
CREATE INDEX request_item_consent_id_ix ON request_item (consent_id);
CREATE INDEX request_item_request_id_ix ON request_item (request_id);

ALTER TABLE catalogue_entry ADD COLUMN origin TEXT NOT NULL DEFAULT 'file';
ALTER TABLE catalogue_entry ADD COLUMN ended BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE citizen ADD COLUMN moved_in_on DATE;
ALTER TABLE consent ADD COLUMN request_id UUID;
ALTER TABLE consent ADD COLUMN answer_by TIMESTAMP WITH TIME ZONE;
CREATE INDEX consent_ceiling_ix ON consent (legal_basis, given_at) WHERE status = 'active';
CREATE INDEX consent_unanswered_ix ON consent (answer_by) WHERE status IN ('requested', 'pending_signature');
-- What was covered before is covered from now on: nobody knows how long the catalogue had said yes without a break.
ALTER TABLE coverage ADD COLUMN since_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp();
ALTER TABLE declaration ADD COLUMN authority_id UUID;
ALTER TABLE declaration ADD COLUMN attested_by TEXT;
ALTER TABLE declaration ADD COLUMN attested_unit TEXT;
ALTER TABLE declaration ADD COLUMN confirmed_by TEXT;
ALTER TABLE other_basis ADD COLUMN emergency_reason TEXT;
ALTER TABLE other_basis ADD COLUMN decision_reference TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE other_basis ALTER COLUMN decision_reference DROP DEFAULT;
ALTER TABLE other_basis ADD COLUMN recorded_by TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE other_basis ALTER COLUMN recorded_by DROP DEFAULT;
ALTER TABLE other_basis ADD COLUMN ended_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE other_basis ADD COLUMN ended_by TEXT;
ALTER TABLE other_basis ADD COLUMN review TEXT;
ALTER TABLE other_basis ADD COLUMN reviewed_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE other_basis ADD COLUMN reviewed_by TEXT;
ALTER TABLE receipt ADD COLUMN object_kind TEXT;
ALTER TABLE receipt ADD COLUMN object_id UUID;
ALTER TABLE refusal ALTER COLUMN purpose DROP NOT NULL;
ALTER TABLE refusal ALTER COLUMN recipient_unit DROP NOT NULL;
ALTER TABLE withdrawal ALTER COLUMN receipt_id DROP NOT NULL;

-- Custody is kept as facts from now on: who holds it from each day on which that changed.
INSERT INTO custody_fact (child, at, holders)
SELECT d.child, d.at, coalesce(array_agg(c.holder ORDER BY c.holder) FILTER (WHERE c.holder IS NOT NULL), '{}')
FROM (SELECT child, valid_from AS at FROM custody UNION SELECT child, valid_to FROM custody WHERE valid_to IS NOT NULL) d
LEFT JOIN custody c ON c.child = d.child AND c.valid_from <= d.at AND (c.valid_to IS NULL OR d.at < c.valid_to)
GROUP BY d.child, d.at;

GRANT SELECT, INSERT, UPDATE ON attestation TO consent;
GRANT SELECT, INSERT, UPDATE ON authority TO consent;
GRANT SELECT, INSERT, UPDATE ON consent_request TO consent;
GRANT SELECT, INSERT, UPDATE ON custody_fact TO consent;
GRANT SELECT, INSERT, UPDATE ON notice TO consent;
GRANT SELECT, INSERT, UPDATE ON request_item TO consent;
GRANT SELECT, INSERT, UPDATE ON restriction TO consent;
GRANT SELECT, INSERT ON withdrawal_part TO consent;
REVOKE UPDATE ON custody FROM consent;
GRANT DELETE ON custody TO consent;
GRANT SELECT, INSERT, UPDATE (valid_to, body, ended) ON catalogue_entry TO consent;
GRANT SELECT, UPDATE (revision) ON catalogue_revision TO consent;
