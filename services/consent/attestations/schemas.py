"""What employees send and get about what citizens have said to them (U4). No name and no free text."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from libs.common.wire.identifiers import Uuid
from libs.common.wire.messages import Code
from libs.common.wire.values import Moment
from services.consent.attestations.attestation import Attestation
from services.consent.employees.employees import PersonReference
from services.consent.http.pages import PageOf
from services.consent.http.shapes import Answer, GrantRequest, Request

Method = Literal["telephone_conversation", "personal_conversation"]
Status = Literal["registered", "proposed", "confirmed", "rejected", "lapsed"]


class SaidYes(GrantRequest):
    """A yes, with the text that was read aloud. To a special category it waits for a second employee."""

    kind: Literal["grant"]


class SaidStop(Request):
    """A withdrawal of what was given, or a no to what was asked: named by id, or by its purpose and units."""

    kind: Literal["withdraw", "decline"]
    consent_id: Uuid | None = None
    purpose: Code | None = None
    holder_unit: Code | None = None
    recipient_unit: Code | None = None

    @model_validator(mode="after")
    def _named_one_way(self) -> "SaidStop":
        question = (self.purpose, self.holder_unit, self.recipient_unit)
        if (self.consent_id is None) != all(question) or (self.consent_id is not None and any(question)):
            raise ValueError("name the consent by consent_id, or by purpose, holder_unit and recipient_unit")
        return self


class SaidNever(Request):
    """A refusal of everything for this purpose and recipient, until it is lifted."""

    kind: Literal["refuse"]
    purpose: Code
    recipient_unit: Code


class SaidLift(Request):
    """The refusal is taken back. It waits for a second employee."""

    kind: Literal["lift"]
    purpose: Code
    recipient_unit: Code


SaidAct = Annotated[SaidYes | SaidStop | SaidNever | SaidLift, Field(discriminator="kind")]


class AttestationRequest(Request):
    """What somebody said, to whom it is about when not themselves (their child, or whom they represent), and when."""

    citizen: PersonReference
    about: PersonReference | None = None
    method: Method
    conversed_at: Moment
    act: SaidAct


class AttestationView(Answer):
    """What was attested. `said`: as it was registered; `object_id`: the consent or refusal that came of it.

    `draining`: it ended something, and something disclosed before may still be in flight.
    """

    attestation_id: UUID
    borger_id: UUID
    said: dict[str, Any]
    method: Method
    conversed_at: Moment
    attested_by: str
    attested_unit: Code
    registered_at: Moment
    status: Status
    lapses_at: Moment | None
    decided_by: str | None
    decided_at: Moment | None
    object_id: UUID | None
    draining: bool


class AttestationPage(PageOf[AttestationView]):
    """Newest first. `next`: the cursor of the next page, null at the end."""


def attestation_view(item: Attestation, now: Moment, *, draining: bool = False) -> AttestationView:
    """As the units see it."""
    said = {"kind": str(item.act), **item.content}
    return AttestationView.of(item, said=said, status=item.status_at(now), draining=draining)
