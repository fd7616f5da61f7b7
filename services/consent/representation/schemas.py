"""What employees and citizens send and get about authorities to act for another. No name, no number, no free text."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from libs.common.wire.messages import CaseReference, Code
from libs.common.wire.values import Moment
from services.consent.citizens.authority import Authority
from services.consent.http.pages import PageOf
from services.consent.http.shapes import Answer, Codes

Kind = Literal["vaerge", "fuldmagt", "fremtidsfuldmagt"]
Status = Literal["proposed", "active", "rejected", "ended"]


class AuthorityView(Answer):
    """Who may act for the citizen, about what and from when to when (`valid_to`: the first day off).

    `status` as it reads now; `purposes` null: all. `replaces_citizen`: by court order only the guardian's yes counts.
    `draining`: what rested on it is ended, and something disclosed before may still be in flight.
    """

    authority_id: UUID
    borger_id: UUID
    representative: UUID
    kind: Kind
    replaces_citizen: bool
    purposes: Codes | None
    valid_from: date
    valid_to: date | None
    evidence: CaseReference
    recorded_unit: Code
    recorded_at: Moment
    status: Status
    confirmed_at: Moment | None
    ended_at: Moment | None
    draining: bool


class StaffAuthorityView(AuthorityView):
    """As the units see it: with the two employees."""

    recorded_by: str
    confirmed_by: str | None = Field(description="who confirmed or rejected it")


class AuthorityPage(PageOf[StaffAuthorityView]):
    """Newest first. `next`: the cursor of the next page, null at the end."""


class AuthorityList(Answer):
    """Those that count or have counted, newest first."""

    items: tuple[AuthorityView, ...]


def authority_view(authority: Authority, now: Moment, *, draining: bool = False) -> AuthorityView:
    """As the citizen and the representative see it: by which unit, not by whom (R25)."""
    status = authority.status_at(now)
    return AuthorityView.of(authority, replaces_citizen=authority.replaces, status=status, draining=draining)


def staff_view(authority: Authority, now: Moment, *, draining: bool = False) -> StaffAuthorityView:
    """As the units see it."""
    status = authority.status_at(now)
    return StaffAuthorityView.of(authority, replaces_citizen=authority.replaces, status=status, draining=draining)
