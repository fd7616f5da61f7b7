-- No moment and no day is infinite: the driver reads ±infinity as another value than was written.
-- What lies at an end of time is moved to the first or last moment that a door accepts (libs/common/wire/values.py); the end
-- of what has no end is null.

CREATE FUNCTION pg_temp.held(given timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE RETURN CASE WHEN given = 'infinity' THEN '2199-12-31 23:59:59Z' WHEN given = '-infinity' THEN '1900-01-01 00:00:00Z' ELSE given END;
CREATE FUNCTION pg_temp.held(given date) RETURNS date LANGUAGE sql IMMUTABLE RETURN CASE WHEN given = 'infinity' THEN '2199-12-31' WHEN given = '-infinity' THEN '1900-01-01' ELSE given END;

UPDATE attestation SET conversed_at = pg_temp.held(conversed_at) WHERE NOT isfinite(conversed_at);
UPDATE authority SET valid_from = pg_temp.held(valid_from), valid_to = pg_temp.held(nullif(valid_to, 'infinity')) WHERE NOT isfinite(valid_from) OR NOT isfinite(valid_to);
UPDATE case_fact SET opened_at = pg_temp.held(opened_at), closed_at = pg_temp.held(closed_at) WHERE NOT isfinite(opened_at) OR NOT isfinite(closed_at);
UPDATE catalogue_entry SET valid_to = NULL, body = jsonb_set(body, '{valid_to}', 'null') WHERE valid_to = 'infinity';
UPDATE catalogue_entry SET valid_to = pg_temp.held(valid_to), body = jsonb_set(body, '{valid_to}', '"1900-01-01"') WHERE NOT isfinite(valid_to);
UPDATE catalogue_entry SET valid_from = pg_temp.held(valid_from), body = jsonb_set(body, '{valid_from}', to_jsonb(pg_temp.held(valid_from))) WHERE NOT isfinite(valid_from);
UPDATE citizen SET birth_date = pg_temp.held(birth_date), died_on = pg_temp.held(died_on), moved_out_on = pg_temp.held(moved_out_on), moved_in_on = pg_temp.held(moved_in_on) WHERE NOT isfinite(birth_date) OR NOT isfinite(died_on) OR NOT isfinite(moved_out_on) OR NOT isfinite(moved_in_on);
UPDATE consent SET valid_from = pg_temp.held(valid_from), valid_until = pg_temp.held(valid_until) WHERE NOT isfinite(valid_from) OR NOT isfinite(valid_until);
UPDATE custody SET valid_from = pg_temp.held(valid_from), valid_to = pg_temp.held(nullif(valid_to, 'infinity')) WHERE NOT isfinite(valid_from) OR NOT isfinite(valid_to);
UPDATE custody_fact SET at = pg_temp.held(at) WHERE NOT isfinite(at);
UPDATE other_basis SET valid_from = pg_temp.held(valid_from), valid_until = pg_temp.held(valid_until) WHERE NOT isfinite(valid_from) OR NOT isfinite(valid_until);

ALTER TABLE attestation ADD CONSTRAINT attestation_finite_ck CHECK (isfinite(conversed_at));
ALTER TABLE authority ADD CONSTRAINT authority_finite_ck CHECK (isfinite(valid_from) AND isfinite(valid_to));
ALTER TABLE case_fact ADD CONSTRAINT case_fact_finite_ck CHECK (isfinite(opened_at) AND isfinite(closed_at));
ALTER TABLE catalogue_entry ADD CONSTRAINT catalogue_entry_finite_ck CHECK (isfinite(valid_from) AND isfinite(valid_to));
ALTER TABLE citizen ADD CONSTRAINT citizen_finite_ck CHECK (isfinite(birth_date) AND isfinite(died_on) AND isfinite(moved_out_on) AND isfinite(moved_in_on));
ALTER TABLE consent ADD CONSTRAINT consent_finite_ck CHECK (isfinite(valid_from) AND isfinite(valid_until));
ALTER TABLE custody ADD CONSTRAINT custody_finite_ck CHECK (isfinite(valid_from) AND isfinite(valid_to));
ALTER TABLE custody_fact ADD CONSTRAINT custody_fact_finite_ck CHECK (isfinite(at));
ALTER TABLE other_basis ADD CONSTRAINT other_basis_finite_ck CHECK (isfinite(valid_from) AND isfinite(valid_until));
