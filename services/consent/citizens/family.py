"""Who must declare for a person today (R11, R12): age and custody, read when deciding.

1. At or above the adult age: the person alone. A parent's declaration has lapsed.
2. From the own-declaration age: the young person, and for special categories the custody holders too.
3. Below it: every custody holder makes their own declaration. Nobody known: nobody can consent.
4. The dead and those who moved out: no declaration can be enough.

The ages are the municipality's policy, not law, and come in as an argument.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.consent.catalogue.entries import Policy
from services.consent.model.calendar import age_on, birthday, danish_date, danish_midnight


@dataclass(frozen=True, slots=True)
class Custody:
    """One custody holder of a child, [valid_from, valid_to)."""

    holder: UUID
    valid_from: datetime
    valid_to: datetime | None

    def valid_at(self, now: datetime) -> bool:
        """Whether the custody holds at a moment."""
        return self.valid_from <= now and (self.valid_to is None or now < self.valid_to)


@dataclass(frozen=True, slots=True)
class CustodyFact:
    """What the civil registry has told: from `at` on exactly these hold custody, until it tells otherwise."""

    at: datetime
    holders: frozenset[UUID]


def timeline(facts: Iterable[CustodyFact]) -> tuple[Custody, ...]:
    """Who has held custody from when to when. The order in which the facts were told makes no difference."""
    running: dict[UUID, datetime] = {}
    ended: list[Custody] = []
    for fact in sorted(facts, key=lambda item: item.at):
        gone = sorted(running.keys() - fact.holders)
        ended += [Custody(holder, running.pop(holder), fact.at) for holder in gone]
        for holder in fact.holders:
            running.setdefault(holder, fact.at)
    return (*ended, *(Custody(holder, since, None) for holder, since in sorted(running.items())))


def custody_holders(custody: tuple[Custody, ...], now: datetime) -> frozenset[UUID]:
    """Every custody holder at a moment."""
    return frozenset(item.holder for item in custody if item.valid_at(now))


def required_givers(
    borger_id: UUID, born: date, custody: tuple[Custody, ...], *, special: bool, policy: Policy, now: datetime
) -> frozenset[UUID]:
    """Everyone whose declaration is needed today. Empty: nobody can give it, so the answer is no."""
    age = age_on(born, danish_date(now))
    if age >= policy.adult_age:
        return frozenset({borger_id})
    holders = custody_holders(custody, now)
    if age < policy.own_declaration_age:
        return holders
    if special and policy.custody_holders_join_for_special:
        return holders | {borger_id} if holders else frozenset()
    return frozenset({borger_id})


def may_act_for(born: date, custody: tuple[Custody, ...], holder: UUID, *, policy: Policy, now: datetime) -> bool:
    """Whether a custody holder may see and act on a child's consents: in custody today, and the child not of age."""
    return age_on(born, danish_date(now)) < policy.adult_age and holder in custody_holders(custody, now)


def next_change(born: date, custody: tuple[Custody, ...], *, policy: Policy, now: datetime) -> datetime | None:
    """The next moment at which age or a known end of custody may change who must declare."""
    today = danish_date(now)
    ages = (policy.own_declaration_age, policy.adult_age)
    moments = [danish_midnight(day) for day in (birthday(born, age) for age in ages) if day > today]
    moments += [item.valid_to for item in custody if item.valid_to is not None and item.valid_to > now]
    moments += [item.valid_from for item in custody if item.valid_from > now]
    return min(moments, default=None)
