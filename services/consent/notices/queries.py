"""Reading notices, and saying that they were seen. Every read is on the record, the officer's too (R20)."""

from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.notices import store as notices_store
from services.consent.notices.store import Audience, Kept

_LAST = UUID(int=2**128 - 1)
After = tuple[datetime, UUID]


async def list_of_citizen(
    session: WriteSession, actor: Actor, borger_id: UUID, *, unseen: bool, after: After | None, limit: int
) -> tuple[Kept, ...]:
    """A page of what the citizen is to be told, newest first. Audited as `notices.listed`."""
    now = await clock(session)
    before = after or (now, _LAST)
    found = await notices_store.page_of_citizen(session, borger_id, unseen=unseen, before=before, limit=limit)
    await append(session, [http_audit.of_read("notices.listed", actor, subject=borger_id, at=now)])
    return found


async def list_of_dpo(
    session: WriteSession, actor: Actor, *, unseen: bool, after: After | None, limit: int
) -> tuple[Kept, ...]:
    """A page of what the officer is to be told, newest first. Audited as `notices.listed` for each person on it."""
    now = await clock(session)
    found = await notices_store.page_of_dpo(session, unseen=unseen, before=after or (now, _LAST), limit=limit)
    persons = [kept.notice.borger_id for kept in found]
    await append(session, http_audit.of_listed("notices.listed", actor, persons, at=now))
    return found


async def see_of_citizen(session: WriteSession, actor: Actor, borger_id: UUID, notice_id: UUID) -> Kept | None:
    """The citizen has seen it; repeating it changes nothing. None when it is not theirs. Audited as `notice.seen`."""
    return await _see(session, actor, notice_id, "citizen", borger_id=borger_id)


async def see_of_dpo(session: WriteSession, actor: Actor, notice_id: UUID) -> Kept | None:
    """The officer has seen it; repeating it changes nothing. None when there is no such notice. Audited likewise."""
    return await _see(session, actor, notice_id, "dpo", borger_id=None)


async def _see(
    session: WriteSession, actor: Actor, notice_id: UUID, audience: Audience, *, borger_id: UUID | None
) -> Kept | None:
    now = await clock(session)
    kept = await notices_store.mark_seen(session, notice_id, audience, borger_id=borger_id, at=now)
    if kept is not None:
        objects = {"notice_id": str(notice_id)}
        subject = kept.notice.borger_id
        entry = http_audit.of_read("notice.seen", actor, subject=subject, at=now, action="U", objects=objects)
        await append(session, [entry])
    return kept
