"""What a citizen reads in one call: words beside every code, and for each thing what can be done about it now."""

from typing import Literal
from uuid import UUID

from libs.common.wire.values import Moment
from services.consent.grants.schemas import DeclarationView
from services.consent.http.shapes import Answer, Status
from services.consent.representation.schemas import AuthorityView


class Labelled(Answer):
    """A code and the words for it, in the language of the answer."""

    code: str
    label: str


class Link(Answer):
    """What can be done, and where."""

    rel: Literal["self", "withdraw", "lift", "answer", "end", "uses", "list", "export", "export-pdf", "give", "refuse"]
    method: Literal["GET", "POST"]
    href: str


class OverviewUnit(Labelled):
    """A unit. `counts_as`: the one that a closed unit's consents count for by a recorded decision (R36)."""

    contact: str | None
    counts_as: Labelled | None


class OverviewCategory(Labelled):
    """A kind of information. `special`: sensitive (R4). `may_be_told`: whether it may be told at this moment."""

    special: bool
    may_be_told: bool


class OverviewLaw(Labelled):
    """The law that the consent rests on, and what a no means under it (R6)."""

    provision: str
    consequence: str | None


class OverviewDeclaration(DeclarationView):
    """One giver's yes, in words: in which role, how, and which unit wrote it down. Not who."""

    role_label: str
    method_label: str
    attested_unit_label: str | None


class OverviewUse(Answer):
    """One use."""

    event_type: Labelled
    kind: Labelled
    at: Moment


class OverviewUses(Answer):
    """How often it was used, and the last times; the rest page by page."""

    count: int
    last: tuple[OverviewUse, ...]


class OverviewConsent(Answer):
    """One consent that has not ended, in a sentence and in its parts. `not_now`: why nothing is told at present."""

    consent_id: UUID
    sentence: str
    status: Status
    status_label: str
    not_now: str | None
    recipient: OverviewUnit
    holder: OverviewUnit
    purpose: Labelled
    categories: tuple[OverviewCategory, ...]
    law: OverviewLaw
    valid_from: Moment | None
    valid_until: Moment
    ends_by: Labelled
    declarations: tuple[OverviewDeclaration, ...]
    uses: OverviewUses
    links: tuple[Link, ...]


class OverviewRequest(Answer):
    """A question that waits for an answer. Whoever asks at a unit is not named."""

    request_id: UUID
    asked_by: OverviewUnit
    purpose: Labelled
    requested_at: Moment
    answer_by: Moment
    links: tuple[Link, ...]


class OverviewRefusal(Answer):
    """A no that overrides every consent until it is lifted (R50). Null: every purpose, every recipient."""

    refusal_id: UUID
    sentence: str
    purpose: Labelled | None
    recipient: OverviewUnit | None
    recorded_at: Moment
    links: tuple[Link, ...]


class OverviewRestriction(Answer):
    """Data that is kept and not used (art. 18, R27). `consent_id` null: everything."""

    restriction_id: UUID
    sentence: str
    consent_id: UUID | None
    recorded_at: Moment
    links: tuple[Link, ...]


class OverviewOtherBasis(Answer):
    """What may be told without consent, and by which law. It is not a consent, and withdrawing one does not end it.

    `emergency`: shared to avert a danger; hours at most.
    """

    basis_id: UUID
    emergency: bool
    holder: OverviewUnit
    recipient: OverviewUnit
    purpose: Labelled
    category: Labelled
    law: OverviewLaw
    valid_from: Moment
    valid_until: Moment


class OverviewNotice(Answer):
    """Something to be told that has not been seen."""

    notice_id: UUID
    kind: Labelled
    object_id: UUID
    at: Moment


class OverviewContact(Answer):
    """Who is responsible, whom to write to, and where to complain (R41)."""

    controller: str
    cvr: str
    contact: str
    supervisory_authority: str


class Overview(Answer):
    """All that is in force or waits, at `as_of`. What has ended is in the lists."""

    borger_id: UUID
    language: Literal["da", "en"]
    as_of: Moment
    consents: tuple[OverviewConsent, ...]
    requests: tuple[OverviewRequest, ...]
    refusals: tuple[OverviewRefusal, ...]
    restrictions: tuple[OverviewRestriction, ...]
    other_bases: tuple[OverviewOtherBasis, ...]
    representatives: tuple[AuthorityView, ...]
    notices: tuple[OverviewNotice, ...]
    municipality: OverviewContact | None
    links: tuple[Link, ...]
