"""The lives of holders: registered before they are spawned, and dead once somebody who may know it says so.

1. A supervisor registers and buries in its own slots only; whose slot it is, is the slot's prefix (`docs/fence.md`).
2. A supervisor's proof is that it reaped the process, got the slot's lock, or found another boot; an operator's is
   their own word, an audited act.
3. A death ends the open permits as `unknown`. It waits for acquires on their way, and none can follow it.
"""

from hashlib import sha256
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.fence import audit as fence_audit
from services.consent.fence import holders_store, permits_store
from services.consent.scopes import store as scopes_store
from services.consent.uses import store as uses_store


class HolderTakenError(Exception):
    """The id is taken: by another slot or supervisor, or by a holder that is dead."""


class NoSuchHolderError(Exception):
    """There is no such holder for this caller."""


def owns(supervisor: str, slot: str) -> bool:
    """Whether the slot is this supervisor's: `<its client id>/<name>`."""
    return slot.partition("/")[0] == supervisor


def digest(secret: str) -> bytes:
    """What is stored of a holder's secret. It is 256 bits of chance, so a plain hash cannot be guessed back."""
    return sha256(secret.encode()).digest()


async def register(session: WriteSession, holder_id: UUID, slot: str, supervisor: str, *, secret: str) -> None:
    """An incarnation is about to start; its credential is `secret`. Raises HolderTakenError."""
    registered_at = await holders_store.register(
        session, holder_id, slot=slot, supervisor=supervisor, token_sha256=digest(secret)
    )
    if registered_at is None:
        raise HolderTakenError
    entry = fence_audit.of_holder(
        "registered", holder_id, registered_at, slot=slot, actor=supervisor, actor_role="supervisor"
    )
    await append(session, [entry])


async def confirm_death(
    session: WriteSession, holder_id: UUID, *, supervisor: str | None, actor: str, proof: str
) -> None:
    """End a holder for good. `supervisor`: the caller's client id, None for an operator. Repeating it changes nothing.

    Raises NoSuchHolderError, also for a holder in a slot that is not the supervisor's.
    """
    await scopes_store.assert_isolation(session)
    holder = await holders_store.lock(session, holder_id)
    if holder is None or (supervisor is not None and not owns(supervisor, holder.slot)):
        raise NoSuchHolderError
    if holder.died_at is not None:
        return
    now = await clock(session)
    await holders_store.mark_dead(session, holder_id, now, proof=proof, confirmed_by=actor)
    ended = await permits_store.end_by_death(session, holder_id)
    await uses_store.correct(session, ((part.use, part.outcome) for part in ended))
    role = "operator" if supervisor is None else "supervisor"
    dead = fence_audit.of_holder("dead", holder_id, now, slot=holder.slot, actor=actor, actor_role=role, reason=proof)
    await append(session, [dead, *fence_audit.of_death(ended, holder_id, now)])
