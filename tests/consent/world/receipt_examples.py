"""One receipt of every kind about fixed records, as the golden files under `golden/receipts` keep them.

`python -m tests.consent.world.receipt_examples` writes the files anew; what has changed in them is for the reader
of the change to judge, since a receipt once issued is read with the code of later years.
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.consent.catalogue.entries import Catalogue, Entry, index
from services.consent.consents.consent import ClosedReason, Consent, Status
from services.consent.decision.snapshot import Refusal
from services.consent.grants.receipt import about_consent
from services.consent.http.signing import canonical, fingerprint
from services.consent.model.acting import SERVICE, Giver, Method, Office, Role
from services.consent.model.bilingual import Bilingual
from services.consent.receipts.receipt import About, ChainLink, ReceiptAct, ReceiptEvent, ReceiptWords, payload
from services.consent.refusals.receipt import about_refusal
from tests.consent.world.examples import MOTHER, NOW, PETER, a_consent, the_catalogue
from tests.tree import ROOT

GOLDEN = ROOT / "tests" / "consent" / "golden" / "receipts"
AT = NOW + timedelta(hours=1)
SELF = Giver(PETER, "Substantial", Role.SELF)
MOTHERS = Giver(MOTHER, "High", Role.CUSTODY_HOLDER)
BY_TELEPHONE = Giver(PETER, "High", Role.SELF, Method.TELEPHONE, attested_by="bif1234", attested_unit="BIF-JOBINDSATS")


def _catalogue() -> Catalogue:
    """The words of the golden files stand here, so that another wording of the catalogue is no other receipt."""
    real = the_catalogue()
    entries: dict[str, Entry | None] = {
        "units": real.unit("SOF-BCV", AT),
        "purposes": real.purpose("KOORDINERING", AT),
        "categories": real.category("FREMMOEDE", AT),
    }
    shown = {
        name: index([replace(entry, label=Bilingual(f"{entry.code} på dansk", f"{entry.code} in English"))])
        for name, entry in entries.items()
        if entry is not None
    }
    law, policy = real.legal_basis("GDPR_SAMTYKKE", AT), real.policy(AT)
    assert law is not None
    assert policy is not None
    municipality = replace(
        policy,
        consent_months_default=12,
        consent_months_max=12,
        controller="Københavns Kommune",
        controller_cvr="64942212",
        contact="databeskyttelse@kommune.example",
        supervisory_authority="Datatilsynet",
        storage_place="Danmark",
        retention_rule="until five years after it ended",
    )
    return Catalogue(1, legal_bases=index([law]), policies=index([municipality]), **shown)


WORDS = ReceiptWords(_catalogue(), AT)
REFUSAL = Refusal(UUID(int=77), "KOORDINERING", "SOF-BCV", NOW, None)


def _consent(consent: Consent, event: ReceiptEvent, by: Giver | Office = SELF, **act: Any) -> tuple[ReceiptAct, About]:
    return ReceiptAct(event, by, AT, **act), about_consent(consent, WORDS)


def _refusal(refusal: Refusal, event: ReceiptEvent) -> tuple[ReceiptAct, About]:
    return ReceiptAct(event, SELF, AT, epoch=9), about_refusal(PETER, refusal, WORDS)


def _ended(status: Status, reason: ClosedReason | None = None) -> Consent:
    return replace(a_consent(), status=status, closed_reason=reason, revision=2)


KINDS: dict[str, tuple[ReceiptAct, About]] = {
    "given": _consent(a_consent(), ReceiptEvent.GIVEN, epoch=1),
    "given_by_telephone": _consent(a_consent(), ReceiptEvent.GIVEN, BY_TELEPHONE, epoch=1),
    "given_in_english": _consent(a_consent(language="en"), ReceiptEvent.GIVEN, epoch=1),
    "declared": _consent(_ended(Status.PENDING_SIGNATURE), ReceiptEvent.DECLARED, MOTHERS, epoch=1),
    "renewed": (
        ReceiptAct(ReceiptEvent.RENEWED, SELF, AT, epoch=2),
        about_consent(a_consent(), WORDS, supersedes=[UUID(int=5), UUID(int=4)]),
    ),
    "narrowed": (
        ReceiptAct(ReceiptEvent.NARROWED, SELF, AT, epoch=2),
        about_consent(a_consent(categories=frozenset({"FREMMOEDE"})), WORDS, supersedes=[UUID(int=4)]),
    ),
    "declined": _consent(_ended(Status.DECLINED), ReceiptEvent.DECLINED, epoch=2),
    "withdrawn": _consent(_ended(Status.WITHDRAWN), ReceiptEvent.WITHDRAWN, epoch=2),
    "expired": _consent(_ended(Status.EXPIRED), ReceiptEvent.EXPIRED, SERVICE, epoch=2),
    **{
        f"closed_{reason}": _consent(
            _ended(Status.CLOSED, reason), ReceiptEvent.CLOSED, SERVICE, reason=str(reason), epoch=2
        )
        for reason in ClosedReason
        if reason is not ClosedReason.SUPERSEDED
    },
    "refused": _refusal(REFUSAL, ReceiptEvent.REFUSED),
    "refusal_lifted": _refusal(replace(REFUSAL, lifted_at=AT), ReceiptEvent.REFUSAL_LIFTED),
}


def receipt_of(kind: str) -> dict[str, Any]:
    """The payload of one kind, the third of a chain."""
    act, about = KINDS[kind]
    link = ChainLink(UUID(int=900), 3, "a" * 64, act.at, "https://consent.test")
    sha256 = fingerprint(canonical(about.record))
    return payload(PETER, act, about, link=link, record_sha256=sha256, policy=WORDS.catalogue.policy(act.at))


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        written = json.dumps(receipt_of(kind), ensure_ascii=False, indent=2, sort_keys=True)
        (GOLDEN / f"{kind}.json").write_text(written + "\n", encoding="utf-8")
