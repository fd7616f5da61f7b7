"""Facts, in the past tense: what changed, for the bus and the audit trail to be told. Translated at the handlers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.consent.consents.consent import Consent


@dataclass(frozen=True, slots=True)
class ConsentGranted:
    """A consent is in force. `renewed`: it replaced one that was."""

    consent: Consent
    renewed: bool


@dataclass(frozen=True, slots=True)
class ConsentDeclared:
    """One of several givers has declared; the consent waits for the others."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class ConsentDeclined:
    """A no to what was asked, or to what waited for another's signature (R5)."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class ConsentClosed:
    """A fact or a successor ended it; `consent.closed_reason` says which."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class ConsentExpired:
    """Its time has passed, and the row says so now."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class CustodyChanged:
    """Somebody else holds custody of a child from now on."""

    child: UUID
    at: datetime


Event = ConsentGranted | ConsentDeclared | ConsentDeclined | ConsentClosed | ConsentExpired | CustodyChanged
