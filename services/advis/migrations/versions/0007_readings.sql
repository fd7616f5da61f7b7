-- Look-ups that found nothing, counted while they are repeated.

CREATE TABLE reading (
    actor TEXT NOT NULL,
    actor_role TEXT NOT NULL,
    unit TEXT NOT NULL,
    criterion TEXT NOT NULL,
    count INTEGER NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE,
    last_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT reading_pk PRIMARY KEY (actor, actor_role, unit, criterion)
);
CREATE INDEX reading_opened_at_ix ON reading (opened_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON reading TO advis;
