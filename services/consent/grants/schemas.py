"""The public shapes of a consent: in a list, in detail, and as it was given."""

from typing import Literal
from uuid import UUID

from libs.common.wire.messages import Code
from libs.common.wire.values import Moment
from services.consent.http.pages import PageOf
from services.consent.http.shapes import Answer, Codes, Status, TextReference


class DeclarationView(Answer):
    """One giver's yes. `by_you`: whether it is the reader's own; who else it is, is not said."""

    role: Literal["self", "custody_holder", "guardian", "attorney"]
    by_you: bool
    method: Literal["system_evidence", "telephone_conversation", "personal_conversation"]
    attested_unit: Code | None
    assurance: str
    at: Moment


class CountsFor(Answer):
    """The units that a consent counts for today: those it names, those a decision maps them to, or none (R36)."""

    holder_unit: Code | None
    recipient_unit: Code | None


class ConsentView(Answer):
    """A consent as it stands now. `valid_until`: the earlier of the citizen's choice and the legal ceiling.

    `counts_for`: where a unit that is named has closed since; null where both are as they were, or it is not read.
    """

    consent_id: UUID
    borger_id: UUID
    purpose: Code
    purpose_version: int
    holder_unit: Code
    recipient_unit: Code
    categories: Codes
    legal_basis: Code
    text: TextReference
    status: Status
    requested_at: Moment
    given_at: Moment | None
    valid_from: Moment | None
    valid_until: Moment
    ceiling_until: Moment
    revision: int
    closed_reason: str | None
    declarations: tuple[DeclarationView, ...]
    counts_for: CountsFor | None = None


class RevisionView(Answer):
    """One line of history."""

    revision: int
    at: Moment
    status: Status
    actor_kind: str
    reason: str | None


class ConsentDetail(ConsentView):
    """With its history, oldest first."""

    history: tuple[RevisionView, ...]


class Granted(Answer):
    """The consent and the receipt that proves it: a compact JWS."""

    consent: ConsentView
    receipt: str


class ConsentPage(PageOf[ConsentView]):
    """Newest first. `next`: the cursor of the next page, null at the end."""
