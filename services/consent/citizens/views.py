"""What a logged-in citizen is shown of themselves and of those they act for."""

from uuid import UUID

from services.consent.citizens.capacity import Capacity
from services.consent.http.shapes import ActsFor, Me
from services.consent.model.acting import Role


def me_view(own: UUID, found: tuple[Capacity, ...]) -> Me:
    """Who somebody is, and whom they may act for."""
    children = tuple(item.borger_id for item in found if item.role is Role.CUSTODY_HOLDER)
    return Me(borger_id=own, children=children, acts_for=tuple(_acts_for(item) for item in found))


def _acts_for(item: Capacity) -> ActsFor:
    held = item.authority
    authority_id, until = (None, None) if held is None else (held.authority_id, held.valid_to)
    return ActsFor.of(item, authority_id=authority_id, until=until)
