"""Whom the clock may have changed something for: open consents, and a day or a moment that has come since."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from libs.common.database.database import Session, driver

_TOUCHED = """
WITH open AS (
  SELECT DISTINCT k.borger_id FROM consent k WHERE k.status IN ('requested', 'pending_signature', 'active')
)
SELECT o.borger_id FROM open o JOIN citizen c USING (borger_id)
WHERE c.birth_date = ANY($1::date[])
   OR (c.moved_out_on >= $2::timestamptz::date - 1 AND c.moved_out_on <= $3::timestamptz::date + 1)
   OR EXISTS (SELECT 1 FROM custody u WHERE u.child = o.borger_id
              AND ((u.valid_from > $2 AND u.valid_from <= $3) OR (u.valid_to > $2 AND u.valid_to <= $3)))
   OR EXISTS (SELECT 1 FROM case_fact f WHERE f.borger_id = o.borger_id AND f.closed_at > $2 AND f.closed_at <= $3)
   OR EXISTS (SELECT 1 FROM authority a WHERE a.borger_id = o.borger_id AND a.status = 'active'
              AND ((a.valid_from >= $2::timestamptz::date - 1 AND a.valid_from <= $3::timestamptz::date + 1)
                OR (a.valid_to >= $2::timestamptz::date - 1 AND a.valid_to <= $3::timestamptz::date + 1)))
ORDER BY 1
"""


async def touched(session: Session, born: Sequence[date], since: datetime, until: datetime) -> list[UUID]:
    """Those with open consents who were born on one of these days, or whose custody, cases, moves or authorities turn.

    (`since`, `until`]; days are taken a day wider, because a Danish day is not the server's.
    """
    return [row[0] for row in await driver(session).fetch(_TOUCHED, list(born), since, until)]
