"""Saying that a notice was seen; that is on the record (R20)."""

from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.notices import store as notices_store
from services.consent.notices.store import Audience, Notice


async def see(
    session: WriteSession, actor: Actor, notice_id: UUID, audience: Audience, *, borger_id: UUID | None = None
) -> Notice | None:
    """Whom it is for has seen it; repeating it changes nothing. Audited as `notice.seen`.

    None when it is not this audience's, or not this citizen's.
    """
    now = await clock(session)
    notice = await notices_store.mark_seen(session, notice_id, audience, borger_id=borger_id, at=now)
    if notice is not None:
        objects = {"notice_id": str(notice_id)}
        subject = notice.borger_id
        entry = http_audit.of_read("notice.seen", actor, subject=subject, at=now, action="U", objects=objects)
        await append(session, [entry])
    return notice
