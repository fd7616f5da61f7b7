"""Whom somebody may act for, in which capacity, and about what: themselves, a child, or by a recorded authority."""

from dataclasses import dataclass
from uuid import UUID

from libs.common.database.database import Session, clock
from services.consent.catalogue import store as catalogue_store
from services.consent.citizens import authorities_store, citizens
from services.consent.citizens import store as citizens_store
from services.consent.citizens.authority import Authority, Represented
from services.consent.model.acting import Role


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
    if await citizens.acts_for(session, own, about):
        return Capacity(about, Role.CUSTODY_HOLDER)
    born = await citizens_store.born(session, about)
    now = await clock(session)
    policy = (await catalogue_store.current(session)).policy(now)
    if born is None or policy is None:
        return None
    authorities = await authorities_store.active_of(session, about)
    found = Represented.on(about, born, authorities, policy=policy, now=now).by(own)
    return None if found is None else Capacity(about, found.role, found)


async def represented_by(session: Session, own: UUID) -> tuple[Capacity, ...]:
    """Everyone else whom `own` may act for now: their children first, then by authority."""
    children = await citizens.children_of(session, own)
    held = [item.borger_id for item in await authorities_store.held_by(session, own)]
    found = [await capacity(session, own, person) for person in dict.fromkeys((*children, *held))]
    return tuple(item for item in found if item is not None)
