-- What was reported before has no event to name it: its steps are under names of their own.

CREATE TABLE case_step (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    unit TEXT NOT NULL,
    case_reference TEXT NOT NULL,
    step TEXT NOT NULL,
    caseworker TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    place BIGINT GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT case_step_pk PRIMARY KEY (source, event_id),
    CONSTRAINT case_step_finite_ck CHECK (isfinite(at))
);
CREATE INDEX case_step_unit_case_reference_ix ON case_step (unit, case_reference);
GRANT SELECT, INSERT, DELETE ON case_step TO advis;
INSERT INTO case_step (source, event_id, unit, case_reference, step, caseworker, at)
SELECT '|before', 'opened:' || unit || ':' || case_reference, unit, case_reference, 'aabnet', caseworker, opened_at
FROM case_registry;
INSERT INTO case_step (source, event_id, unit, case_reference, step, at)
SELECT '|before', 'closed:' || unit || ':' || case_reference, unit, case_reference, 'lukket', closed_at
FROM case_registry WHERE closed_at IS NOT NULL;
