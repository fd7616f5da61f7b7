"""What the citizen's overview and export need of the use log and the history, in one statement each."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database.database import Session, driver

LAST_USES = 3

# A use rests on one consent, or on two in the family rules; of each the last few, newest first.
_USES = f"""
SELECT consent_id, sum(count)::bigint AS count, max(last_at) AS last_at,
       (array_agg(event_type ORDER BY last_at DESC))[1:{LAST_USES}] AS event_types,
       (array_agg(kind ORDER BY last_at DESC))[1:{LAST_USES}] AS kinds,
       (array_agg(last_at ORDER BY last_at DESC))[1:{LAST_USES}] AS moments
FROM use_log u CROSS JOIN LATERAL unnest(u.consent_ids) AS c (consent_id)
WHERE u.borger_id = $1 AND u.count > u.not_sent AND c.consent_id = ANY($2::uuid[])
GROUP BY consent_id
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class LastUse:
    """One line of what was told, or may have been: which kind of event, in which way, when last."""

    event_type: str
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Uses:
    """All uses that rest on one consent: how many, and the last few, newest first."""

    count: int = 0
    last: tuple[LastUse, ...] = ()


async def uses_of(session: Session, borger_id: UUID, consents: list[UUID]) -> dict[UUID, Uses]:
    """By consent; one that was never used is not there. What was not sent is no use."""
    rows = await driver(session).fetch(_USES, borger_id, consents)
    return {
        UUID(str(row["consent_id"])): Uses(
            row["count"],
            tuple(LastUse(*line) for line in zip(row["event_types"], row["kinds"], row["moments"], strict=True)),
        )
        for row in rows
    }


_HISTORIES = """
SELECT consent_id, revision, at, status, actor_kind, reason, snapshot -> 'categories' AS categories,
       snapshot ->> 'valid_until' AS valid_until
FROM consent_history WHERE consent_id = ANY($1::uuid[]) ORDER BY consent_id, revision
"""


@dataclass(frozen=True, slots=True)
class KeptRevision:
    """One revision as it was kept: what it covered, until when, and whose kind of act made it."""

    revision: int
    at: datetime
    status: str
    actor_kind: str
    reason: str | None
    categories: list[str]
    valid_until: str


async def histories_of(session: Session, consents: list[UUID]) -> dict[UUID, list[KeptRevision]]:
    """Every revision of these consents, oldest first."""
    found: dict[UUID, list[KeptRevision]] = {}
    for row in await driver(session).fetch(_HISTORIES, consents):
        consent_id, *kept = row
        found.setdefault(UUID(str(consent_id)), []).append(KeptRevision(*kept))
    return found
