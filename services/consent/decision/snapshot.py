"""What a decision is asked and what it is computed from: plain values, read from rows by one statement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.authority import Authority
from services.consent.citizens.family import Custody
from services.consent.consents.consent import Consent


class Question(NamedTuple):
    """One question about one person. All but the person are catalogue codes."""

    borger_id: UUID
    holder_unit: str
    recipient_unit: str
    purpose: str
    category: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An active no to a purpose and a recipient; `lifted_at` ends it (R50).

    None is every one: no purpose is every purpose, no recipient every recipient, also those that come later.
    """

    refusal_id: UUID
    purpose: str | None
    recipient_unit: str | None
    recorded_at: datetime
    lifted_at: datetime | None

    def stands_at(self, now: datetime) -> bool:
        """Whether it has not been lifted."""
        return self.lifted_at is None or now < self.lifted_at


@dataclass(frozen=True, slots=True)
class Restriction:
    """GDPR art. 18: what is restricted is kept and not used (R27). `consent_id` None: everything about the person."""

    restriction_id: UUID
    consent_id: UUID | None
    recorded_at: datetime
    lifted_at: datetime | None

    def stands_at(self, now: datetime) -> bool:
        """Whether it has not been lifted."""
        return self.lifted_at is None or now < self.lifted_at


@dataclass(frozen=True, slots=True)
class OtherBasis:
    """A recorded basis that needs no consent, for exactly one question, [valid_from, valid_until).

    `emergency`: a disclosure to avert a danger (*værdispring*), hours long at most. `ended_at`: ended before its time.
    """

    basis_id: UUID
    holder_unit: str
    recipient_unit: str
    category: str
    purpose: str
    legal_basis: str
    valid_from: datetime
    valid_until: datetime
    emergency: bool = False
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CaseFact:
    """A unit's case about the person, as far as the bus has told."""

    unit: str
    opened_at: datetime | None
    closed_at: datetime | None


class Coverage(NamedTuple):
    """Since which epoch, recorded when, a (holder unit, category) is covered."""

    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ScopeState:
    """The fence's state for one scope: its epoch, and since when each (holder unit, category) is covered."""

    epoch: int
    covered_since: Mapping[tuple[str, str], Coverage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """All that decisions about one person need. `scopes` by (purpose, recipient).

    `consents` and `authorities` are those written down as in force; whether they are, the clock says too.
    """

    borger_id: UUID
    birth_date: date
    died_on: date | None = None
    moved_out_on: date | None = None
    moved_in_on: date | None = None
    custody: tuple[Custody, ...] = ()
    authorities: tuple[Authority, ...] = ()
    consents: tuple[Consent, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    other_bases: tuple[OtherBasis, ...] = ()
    cases: tuple[CaseFact, ...] = ()
    scopes: Mapping[tuple[str, str], ScopeState] = field(default_factory=dict)

    def is_away(self, today: date) -> bool:
        """Whether they live in another municipality: moved out, and not back since."""
        out, back = self.moved_out_on, self.moved_in_on
        return out is not None and out <= today and not (back is not None and out < back <= today)

    def is_restricted(self, consent_id: UUID | None, now: datetime) -> bool:
        """Whether a restriction of this consent stands; None asks about everything."""
        return bool(self.restrictions) and any(
            item.consent_id == consent_id and item.stands_at(now) for item in self.restrictions
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows read by one statement. A person who is not among them is unknown. `generation` is the fence's."""

    catalogue: Catalogue
    persons: Mapping[UUID, Person]
    generation: int = 0
