"""Who someone is: from a CPR number to a pseudonym, once and for good (R28, R29), and whom they may act for (R11)."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from libs.common.database.database import Session, WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.citizens import store as citizens_store
from services.consent.citizens.family import may_act_for
from services.consent.citizens.store import Citizen
from services.consent.citizens.vault import Vault
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.model.cpr import Cpr


async def resolve_citizen(
    session: WriteSession, vault: Vault, cpr: Cpr, *, actor: Actor, new_id: Callable[[], UUID]
) -> UUID:
    """The number's pseudonym; made the first time it is seen. Audited as `citizen.resolved`, also when it was known."""
    lookups = vault.lookups(cpr)
    found = await citizens_store.find_by_number(session, lookups)
    if found is None:
        await citizens_store.lock_number(session, lookups[min(lookups)])
        found = await citizens_store.find_by_number(session, lookups)
    now = await clock(session)
    if found is None:
        found = await _add(session, vault, cpr, borger_id=new_id(), now=now)
    elif found.key_version != vault.active:
        await citizens_store.rekey(
            session,
            found.borger_id,
            version=vault.active,
            lookup=vault.lookup(cpr),
            sealed=vault.seal(cpr, found.borger_id),
        )
    entry = http_audit.of_read("citizen.resolved", actor, subject=found.borger_id, at=now)
    await append(session, [entry])
    return found.borger_id


async def _add(session: WriteSession, vault: Vault, cpr: Cpr, *, borger_id: UUID, now: datetime) -> Citizen:
    added = Citizen(borger_id, cpr.birth_date, vault.active)
    await citizens_store.add(
        session, added, lookup=vault.lookup(cpr), sealed=vault.seal(cpr, borger_id), created_at=now
    )
    return added


async def find_citizen(session: Session, vault: Vault, cpr: Cpr) -> UUID | None:
    """The number's pseudonym, when it has one."""
    found = await citizens_store.find_by_number(session, vault.lookups(cpr))
    return None if found is None else found.borger_id


async def acts_for(session: Session, holder: UUID, child: UUID) -> bool:
    """Whether `holder` holds custody of `child` today and the child is not of age."""
    now = await clock(session)
    policy = (await catalogue_store.current(session)).policy(now)
    born = await citizens_store.born(session, child)
    if policy is None or born is None:
        return False
    return may_act_for(born, await citizens_store.custody_of(session, child), holder, policy=policy, now=now)


async def children_of(session: Session, holder: UUID) -> tuple[UUID, ...]:
    """Those whom `acts_for` holds for, sorted."""
    now = await clock(session)
    children = await citizens_store.children_of(session, holder, now)
    return tuple([child for child in sorted(children) if await acts_for(session, holder, child)])
