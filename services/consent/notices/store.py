"""Notices: what a citizen or the data protection officer must be told, as codes and pseudonyms.

Whoever does something that somebody else must hear of adds the notice in its own transaction (`add`), so that neither
exists without the other. Kinds are codes, e.g. `attested`, `emergency_disclosure`; the words for them are the reader's.
"""

from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.common.database.database import Session, WriteSession, driver
from libs.common.database.rows import one, reader
from libs.common.running.sweep import Readable, readable

Audience = Literal["citizen", "dpo"]

_ADD = """
INSERT INTO notice (notice_id, borger_id, audience, kind, object_id, at, seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_ADD_ONCE = _ADD + "ON CONFLICT DO NOTHING"
_FOR_CITIZEN = """
SELECT * FROM notice WHERE audience = 'citizen' AND borger_id = $1 AND (at, notice_id) < ($2, $3)
AND (NOT $4 OR seen_at IS NULL) ORDER BY at DESC, notice_id DESC LIMIT $5
"""
_FOR_DPO = """
SELECT * FROM notice WHERE audience = 'dpo' AND (at, notice_id) < ($1, $2)
AND (NOT $3 OR seen_at IS NULL) ORDER BY at DESC, notice_id DESC LIMIT $4
"""
_SEEN = """
UPDATE notice SET seen_at = coalesce(seen_at, $4)
WHERE notice_id = $1 AND audience = $2 AND ($3::uuid IS NULL OR borger_id = $3) RETURNING *
"""
_SETTLED = """
UPDATE notice SET seen_at = $3 WHERE object_id = $1 AND audience = $2 AND seen_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told. `object_id`: what it is about; `at`: when that happened.

    `seen_at`: when whom it is for said that they had seen it.
    """

    notice_id: UUID
    borger_id: UUID
    audience: Audience
    kind: str
    object_id: UUID
    at: datetime
    seen_at: datetime | None = None


async def add(session: WriteSession, notice: Notice) -> None:
    """Write it down, in the transaction of the act that it tells of."""
    await driver(session).execute(_ADD, *astuple(notice))


async def add_once(session: WriteSession, notice: Notice) -> bool:
    """`add`, unless the object already has a notice of this kind; whether it was added. `kind`: one of TOLD_ONCE.

    The notice itself is what says that the citizen was told, so it is kept for as long as it could be told again.
    """
    return bool((await driver(session).execute(_ADD_ONCE, *astuple(notice))).endswith(" 1"))


async def page_of_citizen(
    session: Session, borger_id: UUID, *, unseen: bool, before: tuple[datetime, UUID], limit: int
) -> Readable[Notice]:
    """A citizen's own, newest first, older than `before` = (at, id). `unseen`: only those not seen yet."""
    rows = await driver(session).fetch(_FOR_CITIZEN, borger_id, *before, unseen, limit)
    return readable(rows, reader(Notice), name="notices")


async def page_of_dpo(session: Session, *, unseen: bool, before: tuple[datetime, UUID], limit: int) -> Readable[Notice]:
    """Those for the data protection officer, about anybody; otherwise as `page_of_citizen`."""
    rows = await driver(session).fetch(_FOR_DPO, *before, unseen, limit)
    return readable(rows, reader(Notice), name="notices")


async def mark_seen(
    session: WriteSession, notice_id: UUID, audience: Audience, *, borger_id: UUID | None, at: datetime
) -> Notice | None:
    """Say that it was seen; the first time stands. None when it is not this audience's, or not this citizen's."""
    return await one(session, Notice, _SEEN, notice_id, audience, borger_id, at)


async def mark_dealt_with(session: WriteSession, object_id: UUID, audience: Audience, at: datetime) -> None:
    """Everything that this audience had not seen about an object is dealt with by what it has just done about it."""
    await driver(session).execute(_SETTLED, object_id, audience, at)
