"""What caseworkers send to ask for consents and get back, and what citizens get and answer: the public contract."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from libs.common.wire.identifiers import Uuid
from libs.common.wire.messages import CaseReference, Code
from libs.common.wire.values import VERSION_MAX, EndMoment, Moment, Whole
from services.consent.catalogue.schemas import Language, TextView, Words
from services.consent.grants.schemas import ConsentView
from services.consent.http.pages import PageOf
from services.consent.http.shapes import Answer, Codes, Digest, Request, Status, TextReference

RequestState = Literal["requested", "answered", "lapsed", "withdrawn_by_requester"]
Reply = Literal["given", "given_in_part", "declined"]
Function = Literal["caseworker", "bridge_builder"]


class WhoIsAsked(Request):
    """The citizen, by exactly one of the two: the pseudonym that the unit knows, or the number, sent here once."""

    borger_id: Uuid | None = None
    cpr: str | None = Field(default=None, min_length=10, max_length=11)


class WantedItem(Request):
    """One question: what the holder may tell the recipient. One of the two is the unit that asks."""

    holder_unit: Code
    recipient_unit: Code
    categories: tuple[Code, ...] = Field(min_length=1, max_length=30)


class ConsentRequest(Request):
    """A request for one or more consents for one purpose. `text_version` left out: the one in force."""

    citizen: WhoIsAsked
    purpose: Code
    items: tuple[WantedItem, ...] = Field(min_length=1, max_length=10)
    language: Language
    text_version: Whole | None = Field(default=None, ge=1, le=VERSION_MAX)
    case_reference: CaseReference | None = Field(default=None, description="an open case of the unit that asks")


class AskedItem(Answer):
    """One question, as it was asked."""

    holder_unit: Code
    recipient_unit: Code
    categories: Codes


class RequestView(Answer):
    """A request as the unit that made it may see it: a state, never which categories, why, or what became of it later.

    `answer_by`: it lapses then; silence is never a yes. `reply` is null until it is answered.
    """

    request_id: UUID
    borger_id: UUID
    unit: Code
    function: Function
    case_reference: CaseReference | None
    purpose: Code
    text: TextReference
    items: tuple[AskedItem, ...]
    requested_at: Moment
    answer_by: Moment
    reminded_at: Moment | None
    state: RequestState
    reply: Reply | None


class RequestPage(PageOf[RequestView]):
    """Newest first. `next`: the cursor of the next page, null at the end."""


class Named(Answer):
    """A code of the catalogue with its words; the words are missing when it is not in force any more."""

    code: Code
    label: Words | None


class AskedCategory(Named):
    """`special`: saying yes to it takes an act of its own, by naming it in `affirmed_special` (R4)."""

    special: bool


class WaitingItem(Answer):
    """One question for the citizen. `open`: it waits for a yes or a no, from the reader or from another giver.

    `consent_id`, `status`: the consent that waits for the answer, or is it.
    """

    item_id: UUID
    holder: Named
    recipient: Named
    categories: tuple[AskedCategory, ...]
    consent_id: UUID
    status: Status
    open: bool


class WaitingRequest(Answer):
    """A request as the citizen sees it: who asks, what for, the words to be shown, until when, and how to answer.

    `text`: the words in force, to be shown as they are; null when there are none, and then only a no can be given.
    Both answers are one call with one form; `decline_path` says no to all that is open. No reason is asked.
    """

    request_id: UUID
    asked_by: Named
    function: Function
    purpose: Named
    text: TextView | None
    language: Language
    items: tuple[WaitingItem, ...]
    requested_at: Moment
    answer_by: Moment
    reminded_at: Moment | None
    state: RequestState
    reply: Reply | None
    answer_path: str
    decline_path: str


class WaitingPage(PageOf[WaitingRequest]):
    """Newest first, open and past. `next`: the cursor of the next page, null at the end."""


class Accepted(Request):
    """A yes, to some of the categories or to all of them, until the end chosen (left out: the longest).

    `affirmed_special`: the special categories accepted, each affirmed by an act of its own (R4).
    """

    item_id: Uuid
    answer: Literal["accept"]
    categories: tuple[Code, ...] = Field(min_length=1, max_length=30)
    valid_until: EndMoment | None = None
    affirmed_special: tuple[Code, ...] = Field(default=(), max_length=30)


class NotAccepted(Request):
    """A no, for which no reason is asked; or a question left open for now."""

    item_id: Uuid
    answer: Literal["decline", "leave_open"]


class RequestAnswer(Request):
    """An answer to everything that is open. `text_sha256`, `language`: of the text shown; needed with a yes (R10)."""

    items: tuple[Annotated[Accepted | NotAccepted, Field(discriminator="answer")], ...] = Field(
        min_length=1, max_length=10
    )
    language: Language | None = None
    text_version: Whole | None = Field(default=None, ge=1, le=VERSION_MAX)
    text_sha256: Digest | None = None


class AnsweredItem(Answer):
    """What was said about one question in this call: the consent as it is now, and the receipt that proves it."""

    item_id: UUID
    consent: ConsentView
    receipt: str


class Answered(Answer):
    """The state of the request now, and what this call has changed."""

    request_id: UUID
    state: RequestState
    reply: Reply | None
    items: tuple[AnsweredItem, ...]


class Declined(Answer):
    """The consent, and the receipt of the no; null when it had been said before."""

    consent: ConsentView
    receipt: str | None
