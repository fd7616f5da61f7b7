"""Whom somebody may act for, in which capacity, and about what: themselves, a child, or by a recorded authority."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database import Session, WriteSession, clock
from libs.common.outbox import append
from services.consent import handlers_citizens, records, store_authorities, store_catalogue, store_citizens
from services.consent.domain.acting import Role
from services.consent.domain.authority import Authority, Represented
from services.consent.records import Actor


@dataclass(frozen=True, slots=True)
class Capacity:
    """In which role someone acts for `borger_id`. `purposes` None: in everything."""

    borger_id: UUID
    role: Role
    authority: Authority | None = None

    @property
    def purposes(self) -> frozenset[str] | None:
        """What they may see and act on."""
        return None if self.authority is None else self.authority.purposes


async def capacity(session: Session, own: UUID, about: UUID) -> Capacity | None:
    """How `own` may act for `about` now; None when they may not."""
    if own == about:
        return Capacity(about, Role.SELF)
    if await handlers_citizens.acts_for(session, own, about):
        return Capacity(about, Role.CUSTODY_HOLDER)
    born = await store_citizens.born(session, about)
    now = await clock(session)
    policy = (await store_catalogue.current(session)).policy(now)
    if born is None or policy is None:
        return None
    authorities = await store_authorities.active_of(session, about)
    found = Represented.on(about, born, authorities, policy=policy, now=now).by(own)
    return None if found is None else Capacity(about, found.role, found)


async def represented_by(session: Session, own: UUID) -> tuple[Capacity, ...]:
    """Everyone else whom `own` may act for now: their children first, then by authority."""
    children = await handlers_citizens.children_of(session, own)
    held = [item.borger_id for item in await store_authorities.held_by(session, own)]
    found = [await capacity(session, own, person) for person in dict.fromkeys((*children, *held))]
    return tuple(item for item in found if item is not None)


async def list_for(
    session: WriteSession, actor: Actor, borger_id: UUID, *, own: UUID | None
) -> tuple[tuple[Authority, ...], datetime]:
    """Those that count or have counted for a citizen, and the moment to read them at; only `own`'s when given.

    Audited as `authorities.listed`.
    """
    now = await clock(session)
    found = await store_authorities.shown_to(session, borger_id)
    await append(session, [records.of_read("authorities.listed", actor, subject=borger_id, at=now)])
    return tuple(item for item in found if own in {None, item.representative}), now
