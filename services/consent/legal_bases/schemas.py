"""What is sent and answered about bases that need no consent, and emergencies: codes, and the catalogue's own words."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from libs.common.wire.identifiers import Uuid
from libs.common.wire.messages import CaseReference, Code, EmployeeId
from libs.common.wire.values import EndMoment, Moment
from services.consent.catalogue.entries import Catalogue
from services.consent.decision.other_basis import ends_at
from services.consent.http.shapes import Answer, Request
from services.consent.legal_bases.store import Recorded
from services.consent.model.bilingual import Language
from services.consent.receipts.receipt import ReceiptWords

EmergencyReason = Literal["danger_to_the_citizen", "danger_to_another", "danger_to_a_child"]
Review = Literal["justified", "unjustified"]


class BasisRequest(Request):
    """A basis for exactly one question; the holder is the employee's own unit. It holds from now on.

    `valid_until` left out: as long as the legal basis allows. `decision_reference`: of the decision in the case.
    """

    borger_id: Uuid
    recipient_unit: Code
    purpose: Code
    category: Code
    legal_basis: Code
    valid_until: EndMoment | None = None
    decision_reference: CaseReference


class EmergencyRequest(BasisRequest):
    """A disclosure to avert a danger to life or health, for hours: who is in danger is said as a code."""

    legal_basis: Code = "VAERDISPRING"
    reason: EmergencyReason


class ReviewRequest(Request):
    """What the data protection officer found."""

    outcome: Review


class NamedCode(Answer):
    """A code and what it is called."""

    code: Code
    label: str = ""


class LawView(Answer):
    """Which law it rests on."""

    code: Code
    label: str
    provision: str


class BasisView(Answer):
    """What may be told without consent: which law, recorded by which unit, what to whom for what, until when.

    `valid_until` is the end as law and policy stand today.
    """

    basis_id: UUID
    kind: Literal["other_basis", "emergency"]
    legal_basis: LawView
    recorded_by: NamedCode = Field(description="the unit that holds the information and recorded the basis")
    recipient: NamedCode
    purpose: NamedCode
    category: NamedCode
    emergency_reason: EmergencyReason | None
    valid_from: Moment
    valid_until: Moment
    ended_at: Moment | None
    status: Literal["active", "ended", "expired"]
    review: Review | None


class StaffBasisView(BasisView):
    """As those see it who recorded or review it: about whom, and by which decision."""

    borger_id: UUID
    decision_reference: CaseReference
    employee: EmployeeId


class BasisPage(Answer):
    """Newest first. `next`: the cursor of the next page, null at the end."""

    items: tuple[BasisView, ...]
    next: str | None


class StaffBasisPage(Answer):
    """Newest first. `next`: the cursor of the next page, null at the end."""

    items: tuple[StaffBasisView, ...]
    next: str | None


def basis_view(recorded: Recorded, catalogue: Catalogue, now: datetime, language: Language) -> BasisView:
    """As the citizen sees it, with the words in their language."""
    basis, words = recorded.basis, ReceiptWords(catalogue, now, language)
    law, policy = catalogue.legal_basis(basis.legal_basis, now), catalogue.policy(now)
    end = basis.valid_until if law is None or policy is None else ends_at(basis, law, policy)
    running = "expired" if law is None or now >= end else "active"
    return BasisView.model_validate(
        {
            "basis_id": basis.basis_id,
            "kind": "emergency" if basis.emergency else "other_basis",
            "legal_basis": {
                "code": basis.legal_basis,
                "label": "" if law is None else law.label.get(language),
                "provision": "" if law is None else law.provision,
            },
            "recorded_by": words.unit(basis.holder_unit),
            "recipient": words.unit(basis.recipient_unit),
            "purpose": words.purpose(basis.purpose),
            "category": words.categories([basis.category])[0],
            "emergency_reason": recorded.emergency_reason,
            "valid_from": basis.valid_from,
            "valid_until": end,
            "ended_at": basis.ended_at,
            "status": running if basis.ended_at is None else "ended",
            "review": recorded.review,
        }
    )


def staff_basis_view(recorded: Recorded, catalogue: Catalogue, now: datetime) -> StaffBasisView:
    """As the holder unit and the officer see it."""
    return StaffBasisView(
        **basis_view(recorded, catalogue, now, "da").model_dump(),
        borger_id=recorded.borger_id,
        decision_reference=recorded.decision_reference,
        employee=recorded.recorded_by,
    )
