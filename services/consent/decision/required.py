"""Whose declarations a disclosure needs: each custody holder's, or the citizen's own."""

from datetime import datetime
from uuid import UUID

from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.family import required_givers
from services.consent.decision.decide import is_special, represented
from services.consent.decision.snapshot import Person
from services.consent.model.acting import Giver
from services.consent.model.errors import NotSpecificError, NotYourDeclarationError


def required_for(
    giver: Giver, purpose: str, categories: frozenset[str], *, person: Person, catalogue: Catalogue, now: datetime
) -> frozenset[UUID]:
    """Whose declarations are asked for, where the giver's stands for the citizen's when they speak for them.

    Raises NotYourDeclarationError, and NotSpecificError without a policy in force.
    """
    policy = catalogue.policy(now)
    required = asked_of(person, categories, catalogue, now)
    if policy is None:
        raise NotSpecificError("no policy is in force", field="purpose")
    whose = represented(person, policy, now).counts_as(giver.borger_id, giver.authority_id, purpose)
    if whose is None or whose not in required:
        raise NotYourDeclarationError("this person's declaration is not asked for")
    return required - {whose} | {giver.borger_id}


def asked_of(person: Person, categories: frozenset[str], catalogue: Catalogue, now: datetime) -> frozenset[UUID]:
    """Everyone whose word these categories need today, by age and custody; nobody without a policy in force."""
    policy = catalogue.policy(now)
    if policy is None:
        return frozenset()
    special = is_special(categories, catalogue, now)
    return required_givers(person.borger_id, person.birth_date, person.custody, special=special, policy=policy, now=now)
