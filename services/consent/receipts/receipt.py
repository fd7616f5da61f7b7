"""What a receipt says (P5): one shape for every act and every ending, whatever it is about.

1. It names the record by the hash of its content at that moment, so the receipt proves which record it is about.
2. Receipts of one citizen form a chain: a sequence number without gaps and the hash of the one before, so that one that
   is missing shows.
3. It never holds a CPR number or a name of a person; the subject and the actor are pseudonyms, and of an employee only
   the unit is told (R25); in a child's chain not even that of a parent's, for it may reveal where they stay (R34).
4. Times are RFC 3339 in UTC with whole seconds; a text that is signed has one form only.

Canonical form (RFC 8785) and signature are added outside: this is the plain value. What a kind of record puts into it
is one function from the record to `About`; `receipt_about` has those of consents and refusals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.consent.catalogue.entries import Catalogue, Entry, Policy
from services.consent.model.acting import Giver, Office, Role
from services.consent.model.bilingual import Language

PROFILE = "urn:samtykkebro:receipt:1"


class ReceiptEvent(StrEnum):
    """What the receipt is for. `declared`: one of several declarations given, the others still missing."""

    GIVEN = "given"
    DECLARED = "declared"
    RENEWED = "renewed"
    NARROWED = "narrowed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    CLOSED = "closed"
    REFUSED = "refused"
    REFUSAL_LIFTED = "refusal_lifted"
    RESTRICTED = "restricted"
    RESTRICTION_LIFTED = "restriction_lifted"
    OTHER_BASIS_RECORDED = "other_basis_recorded"
    OTHER_BASIS_ENDED = "other_basis_ended"
    EMERGENCY = "emergency_disclosure"
    AUTHORITY_RECORDED = "authority_recorded"
    AUTHORITY_ENDED = "authority_ended"


@dataclass(frozen=True, slots=True)
class ReceiptAct:
    """What was done, by whom, when. `reason`: a code, of what ended without the citizen ending it.

    `epoch`: the scope's, that the act began (docs/fence.md): no permit of that epoch or a later one is older than it.
    """

    event: ReceiptEvent
    by: Giver | Office
    at: datetime
    reason: str | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A receipt's place in the citizen's chain. `previous_sha256`: of the compact JWS before it; None for the first."""

    receipt_id: UUID
    sequence: int
    previous_sha256: str | None
    issued_at: datetime
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The record that a receipt is about, ready to be told.

    `kind` and `object_id` name it, `identity` does so in the receipt; `record` is its whole content as a JSON value, of
    which the receipt holds the hash; `says` is what the receipt tells in the open, with the catalogue's words; `path`
    is where a citizen ends or lifts it, when they can.
    """

    kind: str
    object_id: UUID
    identity: Mapping[str, Any]
    record: Mapping[str, Any]
    says: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def optional_stamp(moment: datetime | None) -> str | None:
    """As `stamp`, None for None."""
    return None if moment is None else stamp(moment)


@dataclass(frozen=True, slots=True)
class ReceiptWords:
    """The catalogue's own words for codes, as they stood at `at`, in the language that the citizen is told in."""

    catalogue: Catalogue
    at: datetime
    language: Language = "da"

    def purpose(self, code: str) -> dict[str, Any]:
        """Code and label."""
        return self._named(code, self.catalogue.purpose(code, self.at))

    def unit(self, code: str) -> dict[str, Any]:
        """Code and label."""
        return self._named(code, self.catalogue.unit(code, self.at))

    def categories(self, codes: Iterable[str]) -> list[dict[str, Any]]:
        """Code, label and whether it is special (R4); what is unknown counts as special."""
        entries = [(code, self.catalogue.category(code, self.at)) for code in sorted(codes)]
        return [
            {**self._named(code, entry), "special": entry is None or entry.special is not None}
            for code, entry in entries
        ]

    def legal_basis(self, code: str) -> dict[str, Any]:
        """Code and provision."""
        law = self.catalogue.legal_basis(code, self.at)
        return {"code": code, "provision": "" if law is None else law.provision}

    def _named(self, code: str, entry: Entry | None) -> dict[str, Any]:
        return {"code": code} if entry is None else {"code": code, "label": entry.label.get(self.language)}


def payload(
    subject: UUID, act: ReceiptAct, about: About, *, link: ChainLink, record_sha256: str, policy: Policy | None
) -> dict[str, Any]:
    """The whole receipt as a JSON value. `record_sha256`: of the canonical form of `about.record`."""
    return {
        "conformsTo": PROFILE,
        "receipt_id": str(link.receipt_id),
        "issuer": link.issuer,
        "issued_at": stamp(link.issued_at),
        "event": str(act.event),
        "sequence": link.sequence,
        "previous_receipt_sha256": link.previous_sha256,
        "subject": str(subject),
        "act": _act(act),
        "record": {**about.identity, "sha256": record_sha256},
        **about.says,
        **_controller(policy, about.path),
    }


def _act(act: ReceiptAct) -> dict[str, Any]:
    said: dict[str, Any] = {"at": stamp(act.at), "reason": act.reason, "epoch": act.epoch}
    if isinstance(act.by, Office):
        service = act.by.unit is None
        return {
            "actor": None,
            "role": "service" if service else "employee",
            "method": "automatic" if service else "recorded",
            "assurance": act.by.assurance,
            "authority_id": None,
            "attested_unit": act.by.unit,
            **said,
        }
    return {
        "actor": str(act.by.borger_id),
        "role": str(act.by.role),
        "method": str(act.by.method),
        "assurance": act.by.assurance,
        "authority_id": None if act.by.authority_id is None else str(act.by.authority_id),
        "attested_unit": None if act.by.role is Role.CUSTODY_HOLDER else act.by.attested_unit,
        **said,
    }


def _controller(policy: Policy | None, path: str | None) -> dict[str, Any]:
    undo = {} if path is None else {"path": path}
    if policy is None:
        return {"withdrawal": undo}
    return {
        "controller": {"name": policy.controller, "cvr": policy.controller_cvr},
        "withdrawal": {**undo, "contact": policy.contact},
        "supervisory_authority": policy.supervisory_authority,
        "storage": {"place": policy.storage_place, "retention": policy.retention_rule},
    }
