"""What time has ended, or is about to: found by index, also when the ceiling in the catalogue has grown stricter."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from libs.common.database.database import Session
from libs.common.database.rows import rows
from services.consent.consents.consent import Consent
from services.consent.consents.ending import Cutoff
from services.consent.consents.store import SELECT_CONSENT

EXPIRING_SOON = "expiring_soon"  # the notice that says so is the record of having told (`notices.store.add_once`)

_REACHED = """
  SELECT u.consent_id FROM unnest($1::text[], $2::timestamptz[]) AS b (code, given_until)
  JOIN consent u ON u.legal_basis = b.code AND u.status = 'active' AND u.given_at <= b.given_until
"""
_DUE = f"""{SELECT_CONSENT} k.consent_id IN (
  SELECT t.consent_id FROM consent t WHERE t.status IN ('pending_signature', 'active') AND t.valid_until <= $3
    AND t.consent_id <> ALL($5::uuid[])
  UNION {_REACHED} AND u.consent_id <> ALL($5::uuid[]) LIMIT $4)
ORDER BY k.valid_until, k.consent_id
"""  # noqa: S608 - constants only
_ENDING = f"""{SELECT_CONSENT} k.consent_id IN (
  SELECT f.consent_id FROM (
    SELECT t.consent_id FROM consent t WHERE t.status = 'active' AND t.valid_until <= $3 UNION {_REACHED}) f
  WHERE NOT EXISTS (SELECT 1 FROM notice n WHERE n.object_id = f.consent_id AND n.kind = $6)
    AND f.consent_id <> ALL($5::uuid[]) LIMIT $4)
ORDER BY k.valid_until, k.consent_id
"""  # noqa: S608 - constants only


class Some(NamedTuple):
    """How many to look for, and which ones to leave out: those that a sweep could not finish and that rest."""

    limit: int
    but: Collection[UUID] = ()


async def due(session: Session, now: datetime, reached: Collection[Cutoff], some: Some) -> tuple[Consent, ...]:
    """Some of those whose time has passed and that no row says have expired. `reached`: `ending.cutoffs` of now.

    The stored end is never later than the stored ceiling: a grant sees to that.
    """
    return await rows(session, Consent, _DUE, *_columns(reached), now, some.limit, list(some.but))


async def ending(session: Session, before: datetime, reached: Collection[Cutoff], some: Some) -> tuple[Consent, ...]:
    """Some of the active ones that end before a moment and whose citizen has not been told. `reached`: of that moment.

    One that has ended already may be among them, when no row says so yet.
    """
    return await rows(session, Consent, _ENDING, *_columns(reached), before, some.limit, list(some.but), EXPIRING_SOON)


def _columns(reached: Collection[Cutoff]) -> tuple[list[str], list[datetime]]:
    return [item.legal_basis for item in reached], [item.given_until for item in reached]
