"""Valid domain objects by name: Peter's consent from the story (001:501), and the catalogue that ships."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from joserfc.jwk import OKPKey

from services.consent.catalogue.entries import Catalogue
from services.consent.catalogue_administration.files import read
from services.consent.consents.consent import Consent, Declaration, Status
from services.consent.decision.snapshot import Person, Question, Snapshot
from services.consent.http.signing import Signer
from services.consent.model.acting import Method, Role
from tests.tree import REFERENCE

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PETER = UUID("00000000-0000-4000-8000-00000000000a")
MOTHER = UUID("00000000-0000-4000-8000-00000000000b")
FATHER = UUID("00000000-0000-4000-8000-00000000000c")
CHILD = UUID("00000000-0000-4000-8000-00000000000d")
GROWN = date(1880, 5, 17)
QUESTION = Question(PETER, "BIF-JOBINDSATS", "SOF-BCV", "KOORDINERING", "FREMMOEDE")


@cache
def a_signer() -> Signer:
    """Signs with a key that nobody else has."""
    return Signer((OKPKey.generate_key("Ed25519", {"kid": "receipts-1"}),), "https://consent.test")


@cache
def the_catalogue() -> Catalogue:
    """What deploy/reference makes."""
    return read(REFERENCE)[1]


def a_declaration(giver: UUID = PETER, *, affirmed: frozenset[str] = frozenset(), **changes: Any) -> Declaration:
    made = Declaration(
        declaration_id=UUID(int=giver.int + 1000),
        giver=giver,
        role=Role.SELF,
        method=Method.SYSTEM_EVIDENCE,
        assurance="Substantial",
        at=NOW,
        text_sha256="0" * 64,
        affirmed_special=affirmed,
    )
    return replace(made, **changes)


def a_consent(**changes: Any) -> Consent:
    """Peter's: BIF may tell SOF about attendance, for coordination, for a year."""
    made = Consent(
        consent_id=UUID("00000000-0000-4000-8000-0000000000c1"),
        borger_id=PETER,
        purpose="KOORDINERING",
        purpose_version=1,
        holder_unit="BIF-JOBINDSATS",
        recipient_unit="SOF-BCV",
        categories=frozenset({"FREMMOEDE"}),
        legal_basis="GDPR_SAMTYKKE",
        text_code="KOORDINERING",
        text_version=1,
        text_sha256="0" * 64,
        language="da",
        status=Status.ACTIVE,
        requested_at=NOW - timedelta(days=1),
        given_at=NOW - timedelta(days=1),
        valid_from=NOW - timedelta(days=1),
        valid_until=NOW + timedelta(days=300),
        ceiling_until=NOW + timedelta(days=360),
        declarations=(a_declaration(),),
    )
    return replace(made, **changes)


def a_person(**changes: Any) -> Person:
    """Peter, grown up, with his consent."""
    return replace(Person(borger_id=PETER, birth_date=GROWN, consents=(a_consent(),)), **changes)


def a_snapshot(*persons: Person, catalogue: Catalogue | None = None) -> Snapshot:
    return Snapshot(catalogue or the_catalogue(), {person.borger_id: person for person in persons})
