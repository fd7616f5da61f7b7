"""Who may speak for an adult: a guardian or an attorney, by a recorded and dated authority (R11).

Rules first:

1. An authority is recorded by one employee and counts from a second one's confirmation on (four eyes), on the Danish
   days [valid_from, valid_to), until it is ended.
2. It is read when deciding (P6): what a representative has declared counts as the citizen's own word only while the
   very authority it was given under holds and covers the purpose.
3. An adult's declaration may come from the citizen, a guardian or an attorney. An attorney never excludes the citizen,
   nor does an ordinary guardian.
4. A guardian who *replaces* the citizen by court order is the only one whose yes counts, for the purposes covered. A
   no is never taken from anybody: the citizen may always withdraw and refuse.
5. Below the adult age nobody has an authority: custody decides (`family`).

Rules 3 and 4 are general knowledge and our own choice: whether, and in what, a court order under the
guardianship act excludes the citizen's own consent, a jurist must check before it is relied on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol, TypeVar
from uuid import UUID

from services.consent.catalogue.entries import Policy
from services.consent.model.acting import Role
from services.consent.model.calendar import age_on, danish_date, danish_midnight
from services.consent.model.errors import IllegalTransitionError, SecondEmployeeError


class Declared(Protocol):
    """What a declaration says of its giver: who, and under which authority, if any."""

    @property
    def giver(self) -> UUID:
        """Who declared."""
        ...

    @property
    def authority_id(self) -> UUID | None:
        """Under which authority; None: in their own right, or as a custody holder."""
        ...


DeclaredT = TypeVar("DeclaredT", bound=Declared)


class AuthorityKind(StrEnum):
    """The municipality's own words: a guardian, a power of attorney, a future power that has been put in force."""

    GUARDIAN = "vaerge"
    ATTORNEY = "fuldmagt"
    FUTURE_POWER = "fremtidsfuldmagt"


class AuthorityStatus(StrEnum):
    """Where an authority is in its life."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    REJECTED = "rejected"
    ENDED = "ended"


TRANSITIONS: dict[AuthorityStatus, frozenset[AuthorityStatus]] = {
    AuthorityStatus.PROPOSED: frozenset({AuthorityStatus.ACTIVE, AuthorityStatus.REJECTED}),
    AuthorityStatus.ACTIVE: frozenset({AuthorityStatus.ENDED}),
    AuthorityStatus.REJECTED: frozenset(),
    AuthorityStatus.ENDED: frozenset(),
}
ROLES = {
    AuthorityKind.GUARDIAN: Role.GUARDIAN,
    AuthorityKind.ATTORNEY: Role.ATTORNEY,
    AuthorityKind.FUTURE_POWER: Role.ATTORNEY,
}


@dataclass(frozen=True, slots=True)
class Authority:
    """One person's authority to speak for another. `purposes` None: for every purpose; `valid_to` is the first day off.

    `replaces`: by court order the citizen's own yes does not count in what it covers. `evidence`: the document's
    reference in the case system, never its words. `recorded_by`, `confirmed_by`: employees.
    """

    authority_id: UUID
    borger_id: UUID
    representative: UUID
    kind: AuthorityKind
    replaces: bool
    purposes: frozenset[str] | None
    valid_from: date
    valid_to: date | None
    evidence: str
    recorded_by: str
    recorded_unit: str
    recorded_at: datetime
    status: AuthorityStatus = AuthorityStatus.PROPOSED
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None
    revision: int = 1

    @property
    def role(self) -> Role:
        """In which capacity the representative acts."""
        return ROLES[self.kind]

    def status_at(self, now: datetime) -> AuthorityStatus:
        """The status as it is read at `now`: past its last day an authority has ended, whatever the row says."""
        past = self.valid_to is not None and self.valid_to <= danish_date(now)
        return AuthorityStatus.ENDED if past and self.status is AuthorityStatus.ACTIVE else self.status

    def holds(self, now: datetime) -> bool:
        """Whether somebody may act on it at `now`."""
        return self.status_at(now) is AuthorityStatus.ACTIVE and self.valid_from <= danish_date(now)

    def covers(self, purpose: str) -> bool:
        """Whether it is about this purpose."""
        return self.purposes is None or purpose in self.purposes


def confirm(authority: Authority, employee: str, now: datetime) -> Authority:
    """Put it in force. Raises SecondEmployeeError for the one who recorded it, IllegalTransitionError."""
    _check_second(authority, employee)
    return replace(_move(authority, AuthorityStatus.ACTIVE), confirmed_by=employee, confirmed_at=now)


def reject(authority: Authority, employee: str) -> Authority:
    """Do not put it in force. Raises SecondEmployeeError for the one who recorded it, IllegalTransitionError."""
    _check_second(authority, employee)
    return replace(_move(authority, AuthorityStatus.REJECTED), confirmed_by=employee)


def end(authority: Authority, now: datetime) -> Authority:
    """End it at once. Raises IllegalTransitionError when it is not in force."""
    return replace(_move(authority, AuthorityStatus.ENDED), ended_at=now)


def _check_second(authority: Authority, employee: str) -> None:
    if authority.recorded_by == employee:
        raise SecondEmployeeError("another employee than the one who recorded it must decide")


def _move(authority: Authority, status: AuthorityStatus) -> Authority:
    if status not in TRANSITIONS[authority.status]:
        raise IllegalTransitionError(f"an authority that is {authority.status} cannot become {status}")
    return replace(authority, status=status, revision=authority.revision + 1)


@dataclass(frozen=True, slots=True)
class Represented:
    """An adult, or somebody below the adult age, with the authorities that are in force for them on `now`."""

    borger_id: UUID
    authorities: tuple[Authority, ...]

    @classmethod
    def on(
        cls, borger_id: UUID, born: date, authorities: Iterable[Authority], *, policy: Policy, now: datetime
    ) -> "Represented":
        """Who may speak for a person now. For a child nobody does by an authority."""
        adult = age_on(born, danish_date(now)) >= policy.adult_age
        return cls(borger_id, tuple(item for item in authorities if adult and item.holds(now)))

    def by(self, representative: UUID) -> Authority | None:
        """The authority under which someone may act for the person."""
        return next((item for item in self.authorities if item.representative == representative), None)

    def counts_as(self, giver: UUID, authority_id: UUID | None, purpose: str) -> UUID | None:
        """Whose word a giver's word is, for a purpose: their own, the citizen's, or (None) nobody's."""
        if authority_id is None:
            return None if giver == self.borger_id and self._is_replaced(purpose) else giver
        authority = self.by(giver)
        valid = authority is not None and authority.authority_id == authority_id and authority.covers(purpose)
        return self.borger_id if valid else None

    def counted(self, declarations: Iterable[DeclaredT], purpose: str) -> dict[UUID, list[DeclaredT]]:
        """The declarations that count today, by whose word each of them is: the citizen's may be said by several."""
        found: dict[UUID, list[DeclaredT]] = {}
        for item in declarations:
            whose = self.counts_as(item.giver, item.authority_id, purpose)
            if whose is not None:
                found.setdefault(whose, []).append(item)
        return found

    def _is_replaced(self, purpose: str) -> bool:
        return any(item.replaces and item.covers(purpose) for item in self.authorities)


def next_turn(authorities: Iterable[Authority], now: datetime) -> datetime | None:
    """The next moment at which time alone lets an authority begin or end."""
    days = (day for item in authorities for day in (item.valid_from, item.valid_to) if day is not None)
    return min((moment for day in days if (moment := danish_midnight(day)) > now), default=None)
