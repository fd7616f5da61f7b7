"""A command that ends something: who asks, its idempotency key, and the registration that its answer waits for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from services.consent.drains import store as drains_store
from services.consent.drains.store import Act, Withdrawal
from services.consent.http import idempotency_store
from services.consent.http.audit import Actor
from services.consent.http.idempotency_store import Answer
from services.consent.model.acting import Giver, Office
from services.consent.model.scope import ScopeKey


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for the act, for whom. `key`: the idempotency key, optional; `request_sha256`: what it stands for.

    `giver`: the person whose word it is, or the office that acts where it is nobody's word. `purposes`: what a
    representative's authority is about; None: everything.
    """

    borger_id: UUID
    giver: Giver | Office
    actor: Actor
    key: str | None
    request_sha256: str
    new_id: Callable[[], UUID]
    purposes: frozenset[str] | None = None

    def covers(self, purpose: str | None) -> bool:
        """Whether it is theirs to act on. No purpose is every one."""
        return self.purposes is None or purpose in self.purposes

    @property
    def key_owner(self) -> str:
        """Whose idempotency key it is."""
        return str(self.giver.borger_id) if isinstance(self.giver, Giver) else self.actor.name


async def claimed(session: WriteSession, request: Request) -> Answer | None:
    """What the idempotency key was answered with before; None when it is claimed by this request, or absent."""
    if request.key is None:
        return None
    now = await clock(session)
    return await idempotency_store.claim(
        session, request.key_owner, request.key, request_sha256=request.request_sha256, now=now
    )


async def repeated(session: WriteSession, request: Request) -> Withdrawal | None:
    """The act that the idempotency key stands for; None when it is this one's from now on, or there is none."""
    first = await claimed(session, request)
    if first is None:
        return None
    return await drains_store.read(session, request.borger_id, UUID(first.response["withdrawal_id"]))


async def answered(session: WriteSession, request: Request, withdrawal: Withdrawal) -> Withdrawal:
    """Let the idempotency key stand for this withdrawal from now on."""
    if request.key is not None:
        answer = {"withdrawal_id": str(withdrawal.withdrawal_id)}
        await idempotency_store.complete(session, request.key_owner, request.key, status=200, response=answer)
    return withdrawal


def registration(request: Request, act: Act, object_id: UUID, *, at: datetime, receipt_id: UUID | None) -> Withdrawal:
    """The row that a drain waits by, not written yet."""
    return Withdrawal(
        withdrawal_id=request.new_id(),
        borger_id=request.borger_id,
        act=act,
        object_id=object_id,
        registered_at=at,
        drained_at=None,
        receipt_id=receipt_id,
    )


async def registered(
    session: WriteSession, request: Request, withdrawal: Withdrawal, epochs: Mapping[ScopeKey, int]
) -> Withdrawal:
    """Write it down with the epochs that its drain is for, and let the idempotency key stand for it."""
    await drains_store.insert(session, withdrawal)
    await drains_store.insert_scopes(session, withdrawal.withdrawal_id, epochs)
    return await answered(session, request, withdrawal)
