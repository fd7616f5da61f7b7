-- What is told once is known by its notice.

CREATE UNIQUE INDEX notice_once_uq ON notice (object_id, kind) WHERE kind IN ('asked_at_15', 'child_involved', 'expiring_soon', 'of_age_at_18');

-- The first release told the bus of an expiry and left the citizen no notice: it has been told of, so it is seen.
INSERT INTO notice (notice_id, borger_id, audience, kind, object_id, at, seen_at)
SELECT gen_random_uuid(), c.borger_id, 'citizen', 'expiring_soon', c.consent_id, i.received_at, i.received_at
FROM inbox i JOIN consent c ON c.consent_id::text = i.event_id
WHERE i.source = 'urn:samtykkebro:consent:expiry-notice'
ON CONFLICT DO NOTHING;
DELETE FROM inbox WHERE source IN ('urn:samtykkebro:consent:expiry-notice', 'urn:samtykkebro:consent:age');
