"""The sources of the catalogue as the bindings that advis and our own consumer judge by."""

from collections.abc import Iterable
from datetime import date, datetime

from pydantic import ValidationError

from libs.common.bus.case_events import Vocabulary
from libs.common.wire.sources import Binding, contradiction
from services.consent.catalogue.entries import Catalogue
from services.consent.catalogue.source import Source
from services.consent.model.errors import CatalogueError


def bindings_of(catalogue: Catalogue, now: datetime) -> tuple[Binding, ...]:
    """Every source in force at a moment, by code."""
    return tuple(_binding(source) for _, source in sorted(catalogue.on(now).sources.items()))


def vocabulary_of(catalogue: Catalogue) -> Vocabulary:
    """Every event type's direction and every unit's administration, by the newest version: what has ended is heard out.

    A closed unit's cases are still to be closed; whether anything may be told for it, the decision says.
    """
    directions = {code: versions[-1].direction for code, versions in catalogue.event_types.items()}
    units = {code: versions[-1].administration for code, versions in catalogue.units.items()}
    return Vocabulary(directions, units)


def check_sources(catalogue: Catalogue) -> None:
    """Raises CatalogueError for a pattern that is none, and where two sources in force together could touch each other.

    Every day on which the set of sources changes is looked at; a CloudEvents source never goes over to another code,
    whose events would then be taken for the former's.
    """
    entries = [source for versions in catalogue.sources.values() for source in versions if not source.withdrawn]
    for source in entries:
        _binding(source)
    for day in sorted({source.valid_from for source in entries}):
        found = [_binding(source) for source in _in_force(entries, day)]
        if wrong := contradiction(found, catalogue.units):
            raise _refused(_named(entries, wrong[0], day), wrong[1], "is another source's already")
    owners: dict[str, str] = {}
    for source in entries:
        for one in source.event_sources:
            if owners.setdefault(one, source.code) != source.code:
                raise _refused(source, "event_sources", "has been another source's: its events would be confused")


def _in_force(entries: Iterable[Source], day: date) -> list[Source]:
    return [source for source in entries if source.valid_on(day)]


def _named(entries: Iterable[Source], code: str, day: date) -> Source:
    return next(source for source in _in_force(entries, day) if source.code == code)


def _binding(source: Source) -> Binding:
    try:
        return Binding(**{name: getattr(source, name) for name in Binding.model_fields})
    except ValidationError as error:
        raise _refused(source, str(error.errors()[0]["loc"][0]), "is not in the form that it must have") from error


def _refused(source: Source, field: str, problem: str) -> CatalogueError:
    return CatalogueError("sources.yaml", f"{source.code} v{source.version}", field, problem)
