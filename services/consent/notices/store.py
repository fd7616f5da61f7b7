"""Notices: what a citizen or the data protection officer must be told, as codes and pseudonyms.

Whoever does something that somebody else must hear of adds the notice in its own transaction (`add`), so that neither
exists without the other. Kinds are codes, e.g. `attested`, `emergency_disclosure`; the words for them are the reader's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from libs.common.database.database import Session, WriteSession, driver
from libs.common.running.sweep import Readable, readable

Audience = Literal["citizen", "dpo"]

_COLUMNS = "notice_id, borger_id, audience, kind, object_id, at, seen_at"
_ADD = """
INSERT INTO notice (notice_id, borger_id, audience, kind, object_id, at) VALUES ($1, $2, $3, $4, $5, $6)
"""
_ADD_ONCE = _ADD + "ON CONFLICT DO NOTHING"
_FOR_CITIZEN = f"""
SELECT {_COLUMNS} FROM notice WHERE audience = 'citizen' AND borger_id = $1 AND (at, notice_id) < ($2, $3)
AND (NOT $4 OR seen_at IS NULL) ORDER BY at DESC, notice_id DESC LIMIT $5
"""  # noqa: S608 - constants only
_FOR_DPO = f"""
SELECT {_COLUMNS} FROM notice WHERE audience = 'dpo' AND (at, notice_id) < ($1, $2)
AND (NOT $3 OR seen_at IS NULL) ORDER BY at DESC, notice_id DESC LIMIT $4
"""  # noqa: S608 - constants only
_SEEN = f"""
UPDATE notice SET seen_at = coalesce(seen_at, $4)
WHERE notice_id = $1 AND audience = $2 AND ($3::uuid IS NULL OR borger_id = $3) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_SETTLED = """
UPDATE notice SET seen_at = $3 WHERE object_id = $1 AND audience = $2 AND seen_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told. `object_id`: what it is about; `at`: when that happened."""

    notice_id: UUID
    borger_id: UUID
    audience: Audience
    kind: str
    object_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A notice as it stands. `seen_at`: when whom it is for said that they had seen it."""

    notice: Notice
    seen_at: datetime | None


async def add(session: WriteSession, notice: Notice) -> None:
    """Write it down, in the transaction of the act that it tells of."""
    await driver(session).execute(
        _ADD, notice.notice_id, notice.borger_id, notice.audience, notice.kind, notice.object_id, notice.at
    )


async def add_once(session: WriteSession, notice: Notice) -> bool:
    """`add`, unless the object already has a notice of this kind; whether it was added. `kind`: one of TOLD_ONCE.

    The notice itself is what says that the citizen was told, so it is kept for as long as it could be told again.
    """
    values = notice.notice_id, notice.borger_id, notice.audience, notice.kind, notice.object_id, notice.at
    return bool((await driver(session).execute(_ADD_ONCE, *values)).endswith(" 1"))


async def page_of_citizen(
    session: Session, borger_id: UUID, *, unseen: bool, before: tuple[datetime, UUID], limit: int
) -> Readable[Kept]:
    """A citizen's own, newest first, older than `before` = (at, id). `unseen`: only those not seen yet."""
    rows = await driver(session).fetch(_FOR_CITIZEN, borger_id, *before, unseen, limit)
    return readable(rows, _kept, name="notices")


async def page_of_dpo(session: Session, *, unseen: bool, before: tuple[datetime, UUID], limit: int) -> Readable[Kept]:
    """Those for the data protection officer, about anybody; otherwise as `page_of_citizen`."""
    rows = await driver(session).fetch(_FOR_DPO, *before, unseen, limit)
    return readable(rows, _kept, name="notices")


async def mark_seen(
    session: WriteSession, notice_id: UUID, audience: Audience, *, borger_id: UUID | None, at: datetime
) -> Kept | None:
    """Say that it was seen; the first time stands. None when it is not this audience's, or not this citizen's."""
    row = await driver(session).fetchrow(_SEEN, notice_id, audience, borger_id, at)
    return None if row is None else _kept(row)


async def mark_dealt_with(session: WriteSession, object_id: UUID, audience: Audience, at: datetime) -> None:
    """Everything that this audience had not seen about an object is dealt with by what it has just done about it."""
    await driver(session).execute(_SETTLED, object_id, audience, at)


def _kept(row: Sequence[Any]) -> Kept:
    notice_id, borger_id, audience, kind, object_id, at, seen_at = row
    return Kept(Notice(notice_id, borger_id, audience, kind, object_id, at), seen_at)
