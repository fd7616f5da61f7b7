"""Puts a refusal that concerns a person, or something of a person's, on the record (R20): asked for, and not given.

The entry is written before the 403 or 404 is answered; where it cannot be written the answer is 503. It names the
person only when there is such a person: an id that is nobody's is an object, so that it makes no key in the log.
"""

from uuid import UUID

from starlette.requests import Request

from libs.common.database.database import Session, WriteSession, clock
from libs.common.database.transaction import committed
from libs.common.http.auth import Principal
from libs.common.http.problems import Problem
from libs.common.outbox.outbox import append
from libs.common.wire.identifiers import parse_uuid
from services.consent.citizens import citizens
from services.consent.citizens import store as citizens_store
from services.consent.citizens.acting import number_of
from services.consent.citizens.vault import Vault
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.http.callers import actor_of

ENTRY = "access.refused"


async def record_refusal(request: Request, status: int) -> None:
    """Record that this caller was refused what the path names. Nothing for a path that names no id, or no caller."""
    caller: Principal | None = getattr(request.state, "principal", None)
    named = {name: found for name, text in request.path_params.items() if (found := _uuid(text)) is not None}
    if caller is None or not named:
        return
    borger_id = named.get("borger_id")

    async def work(session: WriteSession) -> None:
        known = borger_id is not None and await citizens_store.born(session, borger_id) is not None
        objects = {name: str(value) for name, value in named.items() if name != "borger_id" or not known}
        entry = http_audit.of_read(
            ENTRY,
            await _actor(request, session, caller),
            subject=borger_id if known else None,
            at=await clock(session),
            action="R" if request.method == "GET" else "U",
            objects={**objects, "operation": request.scope["route"].name, "status": str(status)},
            outcome="refused",
        )
        await append(session, [entry])

    await committed(request, work)


async def _actor(request: Request, session: Session, caller: Principal) -> Actor:
    """The caller, by the most telling of their roles; a citizen by their pseudonym, when they have one."""
    role = min(caller.roles, default="none")
    if role != "citizen":
        return actor_of(request, caller.subject, role, unit=caller.unit)
    vault: Vault = request.app.state.vault
    try:
        own = await citizens.find_citizen(session, vault, number_of(caller))
    except Problem:
        own = None  # a login without a number, or at too low a level: that is why it is refused
    return actor_of(request, "citizen", "citizen", giver=own)


def _uuid(value: object) -> UUID | None:
    try:
        return value if isinstance(value, UUID) else parse_uuid(str(value))
    except ValueError:
        return None
