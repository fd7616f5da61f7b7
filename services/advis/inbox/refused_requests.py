"""Puts on the record that somebody asked for an inbox, or for an item of one, and was refused at the door (R20).

What is refused behind the door, an item that is not the reader's, is recorded there as a look-up that found nothing.
"""

from starlette.requests import Request

from libs.common.database.database import WriteSession, clock
from libs.common.http.auth import Principal
from libs.common.outbox.outbox import append
from libs.common.wire.identifiers import parse_uuid
from services.advis.model.audit import Actor, tell
from services.advis.model.events import InboxRead
from services.advis.resources import resources

FORBIDDEN = 403
OPERATIONS = {"list_notifications": "listed", "open_notification": "opened", "handle_notification": "handled"}


async def record_refusal(request: Request, status: int) -> None:
    """Record a 403 of the inbox before it is answered. Nothing for other doors, or no caller."""
    caller: Principal | None = getattr(request.state, "principal", None)
    kind = OPERATIONS.get(request.scope["route"].name)
    if caller is None or kind is None or status != FORBIDDEN:
        return
    actor = Actor(caller.subject, min(caller.roles, default="none"))
    read = InboxRead(kind, caller.unit, _asked(request), found=False)

    async def recorded(session: WriteSession) -> None:
        correlation = request.scope["state"]["correlation_id"]
        await append(session, [tell(read, actor, await clock(session), correlation_id=correlation)])

    await resources(request).committed(recorded)


def _asked(request: Request) -> tuple[tuple[str, str], ...]:
    """The item that was asked for, where its id has the form of one: no other text is taken over."""
    try:
        return (("notification_id", str(parse_uuid(request.path_params.get("notification_id", "")))),)
    except ValueError:
        return ()
