"""The catalogue as it stands on one Danish day: what every decision of that day looks up."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from services.consent.catalogue.entries import Catalogue, Entry

    EntryT = TypeVar("EntryT", bound=Entry)


class Day:
    """Per kind, code → the last version that is in force.

    `offers`: (purpose, holder unit, recipient unit); `plain`: the categories that are of no special kind.
    """

    __slots__ = (
        *("categories", "event_types", "legal_bases", "offers", "plain", "policies"),
        *("purposes", "sources", "texts", "unit_mappings", "units"),
    )

    def __init__(self, catalogue: "Catalogue", day: date) -> None:
        self.units = _in_force(catalogue.units, day)
        self.purposes = _in_force(catalogue.purposes, day)
        self.categories = _in_force(catalogue.categories, day)
        self.legal_bases = _in_force(catalogue.legal_bases, day)
        self.texts = _in_force(catalogue.texts, day)
        self.event_types = _in_force(catalogue.event_types, day)
        self.policies = _in_force(catalogue.policies, day)
        self.unit_mappings = _in_force(catalogue.unit_mappings, day)
        self.sources = _in_force(catalogue.sources, day)
        self.plain = frozenset(code for code, category in self.categories.items() if category.special is None)
        self.offers = frozenset(
            (purpose.code, offer.holder, offer.recipient)
            for purpose in self.purposes.values()
            for offer in purpose.between
        )


def _in_force(versions: "Mapping[str, tuple[EntryT, ...]]", day: date) -> "dict[str, EntryT]":
    return {code: entry for code, known in versions.items() for entry in known if entry.valid_on(day)}
