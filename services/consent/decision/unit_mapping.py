"""Scopes that a unit mapping ties together: what is true of one of them is true of the other (R36).

A consent that names a closed unit keeps its own scope. Mapped, it lets the other unit be told, in *that* unit's scope.
So whatever changes or discloses in either of them holds both, and a withdrawal is drained in both.
"""

from collections.abc import Collection
from datetime import datetime

from services.consent.catalogue.entries import Catalogue
from services.consent.model.scope import ScopeKey


def together(keys: Collection[ScopeKey], catalogue: Catalogue, now: datetime) -> set[ScopeKey]:
    """These scopes, and those of the same citizen and purpose whose recipient counts as the same unit at `now`."""
    if not catalogue.unit_mappings:
        return set(keys)
    return {
        key._replace(recipient_unit=unit) for key in keys for unit in counting_as(key.recipient_unit, catalogue, now)
    }


def counting_as(unit: str, catalogue: Catalogue, now: datetime) -> set[str]:
    """The unit, the one it counts as, and every closed one that counts as the same."""
    counts = catalogue.counts_as(unit, now) or unit
    return {unit, counts} | {code for code in catalogue.unit_mappings if catalogue.counts_as(code, now) == counts}
