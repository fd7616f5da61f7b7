-- No moment is infinite: the driver reads ±infinity as another value than was written, and a case would be deaf for ever.

UPDATE case_registry SET opened_at = '1900-01-01 00:00:00Z' WHERE opened_at = '-infinity';
UPDATE case_registry SET closed_at = '1900-01-01 00:00:00Z' WHERE closed_at = '-infinity';
UPDATE case_registry SET as_of = '1900-01-01 00:00:00Z' WHERE as_of = '-infinity';
UPDATE case_registry SET opened_at = clock_timestamp() WHERE opened_at = 'infinity';
UPDATE case_registry SET closed_at = clock_timestamp() WHERE closed_at = 'infinity';
UPDATE case_registry SET as_of = clock_timestamp() WHERE as_of = 'infinity';
UPDATE notification SET occurred_at = CASE WHEN occurred_at = 'infinity' THEN arrived_at ELSE '1900-01-01 00:00:00Z' END WHERE NOT isfinite(occurred_at);

ALTER TABLE case_registry ADD CONSTRAINT case_registry_finite_ck CHECK (isfinite(opened_at) AND isfinite(closed_at) AND isfinite(as_of));
ALTER TABLE notification ADD CONSTRAINT notification_finite_ck CHECK (isfinite(occurred_at));
