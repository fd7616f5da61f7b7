-- Facts that sources reported. What was known before has no event to name it: it is kept under a name of its own, so
-- that a correction of a later fact starts from it.

CREATE TABLE life_fact (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    borger_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    unit TEXT,
    case_reference TEXT,
    custody_holders UUID[],
    corrected_by TEXT,
    CONSTRAINT life_fact_pk PRIMARY KEY (source, event_id),
    CONSTRAINT life_fact_finite_ck CHECK (isfinite(at))
);
CREATE INDEX life_fact_borger_id_ix ON life_fact (borger_id);
GRANT SELECT, INSERT, UPDATE ON life_fact TO consent;
GRANT DELETE ON case_fact, custody_fact TO consent;
INSERT INTO life_fact (source, event_id, type, borger_id, at)
SELECT '|before', 'died:' || borger_id, 'cpr.doedsfald', borger_id, (died_on + time '12:00') AT TIME ZONE 'Europe/Copenhagen'
FROM citizen WHERE died_on IS NOT NULL
UNION ALL
SELECT '|before', 'out:' || borger_id, 'cpr.flytning_ud', borger_id, (moved_out_on + time '12:00') AT TIME ZONE 'Europe/Copenhagen'
FROM citizen WHERE moved_out_on IS NOT NULL
UNION ALL
SELECT '|before', 'in:' || borger_id, 'cpr.flytning_ind', borger_id, (moved_in_on + time '12:00') AT TIME ZONE 'Europe/Copenhagen'
FROM citizen WHERE moved_in_on IS NOT NULL;
INSERT INTO life_fact (source, event_id, type, borger_id, at, unit, case_reference)
SELECT '|before', 'opened:' || unit || ':' || case_reference || ':' || borger_id,
    lower(split_part(unit, '-', 1)) || '.sag.aabnet', borger_id, opened_at, unit, case_reference
FROM case_fact WHERE opened_at IS NOT NULL
UNION ALL
SELECT '|before', 'closed:' || unit || ':' || case_reference || ':' || borger_id,
    lower(split_part(unit, '-', 1)) || '.sag.lukket', borger_id, closed_at, unit, case_reference
FROM case_fact WHERE closed_at IS NOT NULL;
