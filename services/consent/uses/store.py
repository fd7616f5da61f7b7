"""The use log: what was told about a citizen, to which unit, for which purpose, when (P4, `docs/fence.md`).

One row per notification, person, actor, kind and day, written in the acquire's transaction. A use counts as made
from then on; only one that was not made, or may have been, touches the row again.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple
from uuid import UUID

from libs.common.database.database import WriteSession, driver

_RECORD = """
INSERT INTO use_log AS u (notification_id, borger_id, actor, kind, day, purpose, recipient_unit, holder_unit,
                          categories, event_type, consent_ids, count, first_at, last_at)
SELECT r.n, r.b, r.a, r.k, r.d, r.p, r.r, r.h, string_to_array(r.c, ','), r.t,
       string_to_array(r.rests_on, ',')::uuid[], r.times, $13, $13
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::int[]) AS r (n, b, a, k, d, p, r, h, c, t, rests_on, times)
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (notification_id, borger_id, actor, kind, day) DO UPDATE SET
  count = u.count + excluded.count, last_at = greatest(u.last_at, excluded.last_at),
  consent_ids = CASE WHEN u.consent_ids @> excluded.consent_ids THEN u.consent_ids
                     ELSE u.consent_ids || excluded.consent_ids END
"""  # lists travel as text: an array of arrays must be rectangular
_LOCK = """
SELECT 1 FROM use_log u JOIN unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[]) AS k (n, b, a, k, d)
  ON u.notification_id = k.n AND u.borger_id = k.b AND u.actor = k.a AND u.kind = k.k AND u.day = k.d
ORDER BY u.notification_id, u.borger_id, u.actor, u.kind, u.day FOR UPDATE OF u
"""
_CORRECT = """
UPDATE use_log u SET not_sent = u.not_sent + k.not_sent, unknown = u.unknown + k.unknown
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[], $6::int[], $7::int[])
  AS k (n, b, a, k, d, not_sent, unknown)
WHERE u.notification_id = k.n AND u.borger_id = k.b AND u.actor = k.a AND u.kind = k.k AND u.day = k.d
"""


class UseKey(NamedTuple):
    """What makes one row. `day`: the UTC day on which the permit was granted."""

    notification_id: UUID
    borger_id: UUID
    actor: str
    kind: str
    day: date

    @classmethod
    def of(cls, notification_id: UUID, borger_id: UUID, actor: str, kind: str, *, acquired_at: datetime) -> "UseKey":
        """The row of a use that was permitted at a moment."""
        return cls(notification_id, borger_id, actor, kind, acquired_at.astimezone(UTC).date())


@dataclass(frozen=True, slots=True)
class Use:
    """One use: what was permitted about one person, and the consents it rests on (none: another legal basis)."""

    key: UseKey
    purpose: str
    recipient_unit: str
    holder_unit: str
    categories: tuple[str, ...]
    event_type: str
    consents: tuple[UUID, ...]


async def record(session: WriteSession, uses: Collection[Use], now: datetime) -> None:
    """Add these uses to their rows. Several of one key in one call count as several."""
    times = Counter(use.key for use in uses)
    first = {use.key: use for use in reversed(list(uses))}
    rows = [(*key, *_row(use), times[key]) for key, use in first.items()]
    if rows:
        await driver(session).execute(_RECORD, *(list(column) for column in zip(*rows, strict=True)), now)


def _row(use: Use) -> tuple[str, ...]:
    categories, consents = ",".join(use.categories), ",".join(map(str, use.consents))
    return use.purpose, use.recipient_unit, use.holder_unit, categories, use.event_type, consents


async def correct(session: WriteSession, ended: Iterable[tuple[UseKey, str]]) -> None:
    """Take into account the uses that ended `not_sent` or `unknown`; those `disclosed` stand as recorded."""
    outcomes = Counter((key, outcome) for key, outcome in ended if outcome != "disclosed")
    await _correct(session, {key: (outcomes[key, "not_sent"], outcomes[key, "unknown"]) for key, _ in outcomes})


async def _correct(session: WriteSession, counts: Mapping[UseKey, tuple[int, int]]) -> None:
    if counts:
        rows = [(*key, *count) for key, count in counts.items()]
        columns = [list(column) for column in zip(*rows, strict=True)]
        await driver(session).execute(_LOCK, *columns[:5])
        await driver(session).execute(_CORRECT, *columns)
