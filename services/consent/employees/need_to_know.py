"""What every act of an employee for a citizen begins with: who it is, whether it is theirs to do, and once only."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from uuid import UUID, uuid4

from libs.common.database.database import Session, WriteSession, clock
from services.consent.citizens import citizens
from services.consent.citizens import store as citizens_store
from services.consent.citizens.family import custody_holders
from services.consent.citizens.vault import Vault
from services.consent.employees.staff import Employee
from services.consent.http import idempotency_store
from services.consent.http.audit import Actor
from services.consent.http.idempotency_store import Answer
from services.consent.model.cpr import Cpr
from services.consent.model.errors import NoSuchError, OwnMatterError


class NobodyHereError(NoSuchError):
    """Nobody by that id whom this employee may know of: the same whether they exist or not (P2)."""


@dataclass(frozen=True, slots=True)
class CitizenIdentifier:
    """How an employee says who a citizen is: one of the two."""

    cpr: Cpr | None
    borger_id: UUID | None


async def whom(session: WriteSession, vault: Vault, by: Employee, named: CitizenIdentifier, *, actor: Actor) -> UUID:
    """Who it is. A number is looked up on the record, and made known when it is new: no answer says which (R1).

    Raises NobodyHereError for an id of somebody who has no open case in the employee's unit.
    """
    if named.cpr is not None:
        return await citizens.resolve_citizen(session, vault, named.cpr, actor=actor, new_id=uuid4)
    assert named.borger_id is not None
    if not await citizens_store.has_open_case(session, named.borger_id, by.unit, await clock(session)):
        raise NobodyHereError
    return named.borger_id


async def check_not_their_own(session: Session, by: Employee, *persons: UUID) -> None:
    """Nobody registers what they have said themselves, or for their own child, as far as the login tells who they are.

    Raises OwnMatterError.
    """
    if by.own is None:
        return
    now = await clock(session)
    for person in persons:
        holders = custody_holders(await citizens_store.custody_of(session, person), now)
        if person == by.own or by.own in holders:
            raise OwnMatterError("an employee does not act in their own matter")


async def once(
    session: WriteSession,
    by: Employee,
    key: str,
    *,
    request_sha256: str,
    alike: Collection[str] = (),
    work: Callable[[], Awaitable[Answer]],
) -> Answer:
    """What the first request with this employee's key was answered, or is by `work`. Raises KeyReusedError.

    `alike`: as in `idempotency_store.claim`.
    """
    actor = f"employee:{by.employee_id}"
    now = await clock(session)
    first = await idempotency_store.claim(session, actor, key, request_sha256=request_sha256, now=now, alike=alike)
    if first is not None:
        return first
    answer = await work()
    await idempotency_store.complete(session, actor, key, status=answer.status, response=answer.response)
    return answer
