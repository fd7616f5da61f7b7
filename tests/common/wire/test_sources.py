"""What a source may say: its own sources, types and units; and no two sources that could touch each other."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.port import load_topics
from libs.common.wire.sources import (
    Binding,
    SourcesError,
    Violation,
    by_client,
    by_source,
    case_topics,
    contradiction,
    load_sources,
    violation,
)
from tests.tree import DEPLOY

REFERENCE = DEPLOY / "reference"
SOURCES = load_sources(REFERENCE)
UNITS = {entry["code"]: entry["administration"] for entry in yaml.safe_load((REFERENCE / "units.yaml").read_text())}
DIRECTIONS = {e["code"]: e["direction"] for e in yaml.safe_load((REFERENCE / "event_types.yaml").read_text())}


def judged(client: str, kind: str, unit: str, source: str | None = None) -> Violation | None:
    binding = by_client(SOURCES, client)
    assert binding is not None
    return violation(
        binding,
        source=source or f"urn:samtykkebro:source:{client}",
        kind=kind,
        unit=unit,
        direction=DIRECTIONS.get(kind, "system"),
        administration=UNITS.get(unit),
    )


@pytest.mark.parametrize(
    ("client", "kind", "unit"),
    [
        ("fasit", "bif.ydelse.stoppet", "BIF-YDELSE"),
        ("fasit", "bif.sag.aabnet", "BIF-JOBINDSATS"),
        ("domus", "sof.rusmiddel.afbrudt", "SOF-RUSMIDDEL"),
        ("dubu", "sof.boernesag.aabnet", "SOF-BBU-VALBY"),
        ("cpr", "cpr.doedsfald", "CPR"),
        ("cpr", "cpr.foraeldremyndighed_aendret", "CPR"),
    ],
)
def test_a_source_says_its_own(client, kind, unit):
    assert judged(client, kind, unit) is None


@pytest.mark.parametrize(
    ("client", "kind", "unit", "reason"),
    [
        ("fasit", "cpr.doedsfald", "BIF-YDELSE", Violation.TYPE),
        ("fasit", "cpr.foraeldremyndighed_aendret", "CPR", Violation.TYPE),
        ("fasit", "sof.rusmiddel.afbrudt", "SOF-RUSMIDDEL", Violation.TYPE),
        ("fasit", "bif.ydelse.stoppet", "SOF-RUSMIDDEL", Violation.UNIT),
        ("domus", "sof.sag.lukket", "SOF-BBU-VALBY", Violation.UNIT),
        ("dubu", "sof.rusmiddel.afbrudt", "SOF-BCH", Violation.TYPE),
        ("cpr", "bif.sag.lukket", "BIF-YDELSE", Violation.TYPE),
        ("fasit", "samtykke.afgivet", "BIF-YDELSE", Violation.TYPE),
    ],
)
def test_a_source_says_nothing_of_anothers(client, kind, unit, reason):
    assert judged(client, kind, unit) is reason


def test_a_source_speaks_with_its_own_cloudevents_source_only():
    assert judged("fasit", "bif.ydelse.stoppet", "BIF-YDELSE", "urn:samtykkebro:source:domus") is Violation.SOURCE
    assert by_source(SOURCES, "urn:samtykkebro:source:domus") == by_client(SOURCES, "domus")
    assert by_source(SOURCES, "urn:other") is by_client(SOURCES, "other") is None


def anything(**changes: object) -> Binding:
    """A binding as wide as an administrator's mistake could make it."""
    said = {"code": "wide", "client_id": "wide", "event_sources": ("urn:kk:wide",), "civil_registration": True}
    return Binding.model_validate(said | {"event_types": ("bif.*", "sof.*", "cpr.*", "samtykke.*")} | changes)


def wide(kind: str, direction: str, unit: str, **changes: object) -> Violation | None:
    binding = anything(units=("BIF-*", "SOF-*", "FAELLES-*"), **changes)
    return violation(
        binding, source="urn:kk:wide", kind=kind, unit=unit, direction=direction, administration=UNITS.get(unit)
    )


def test_the_direction_names_the_administration_that_speaks_whatever_the_binding_allows():
    assert wide("sof.plan.opdateret", "SOF->BIF", "SOF-BCV") is None
    assert wide("sof.plan.opdateret", "SOF->BIF", "BIF-YDELSE") is Violation.DIRECTION
    assert wide("bif.sag.aabnet", "system", "SOF-BCV") is Violation.DIRECTION
    assert wide("bif.ydelse.stoppet", "BIF->SOF", "FAELLES-REHAB") is Violation.DIRECTION
    assert wide("bif.ydelse.stoppet", "BIF->SOF", "BIF-NOBODY") is Violation.DIRECTION
    assert wide("samtykke.afgivet", "system", "BIF-YDELSE") is Violation.DIRECTION
    shared = {"event_types": ("faellessag.*",)}
    assert wide("faellessag.identificeret", "both", "BIF-YDELSE", **shared) is Violation.DIRECTION


def test_civil_registration_is_said_of_a_source_and_not_only_matched():
    assert wide("cpr.doedsfald", "system", "BIF-YDELSE") is None
    assert wide("cpr.doedsfald", "system", "BIF-YDELSE", civil_registration=False) is Violation.TYPE


def test_the_shipped_sources_have_topics_and_touch_nothing_of_each_others():
    assert contradiction(SOURCES, UNITS) is None
    topics = {topic.name for topic in load_topics(DEPLOY / "kafka" / "topics.yaml")}
    assert set(case_topics(SOURCES)) <= topics


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"client_id": "fasit", "units": ("SOF-KRIMPRAEV",)}, "client_id"),
        ({"event_sources": ("urn:samtykkebro:source:cpr",), "units": ("CPR",)}, "event_sources"),
        ({"event_types": ("bif.sag.*",), "units": ("BIF-CAB",)}, "units"),
        ({"code": "http", "units": ("CPR",)}, "code"),
    ],
)
def test_a_source_that_could_reach_into_another_is_refused(change, field):
    wrong = contradiction((*SOURCES, anything(**change)), UNITS)
    assert wrong is not None
    assert wrong[1] == field


_two = st.sampled_from(SOURCES)
_sources = st.sampled_from([one for binding in SOURCES for one in binding.event_sources])


@given(_two, _two, _sources, st.sampled_from(sorted(DIRECTIONS)), st.sampled_from([*sorted(UNITS), "CPR"]))
def test_nothing_can_be_said_by_two_of_the_shipped_sources(one, other, source, kind, unit):
    said = {"source": source, "kind": kind, "unit": unit}
    said |= {"direction": DIRECTIONS[kind], "administration": UNITS.get(unit)}
    may = [binding for binding in {one.code: one, other.code: other}.values() if violation(binding, **said) is None]
    assert len(may) <= 1


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("- {code: x", "cannot be read"),
        ("- {code: fasit, version: x}", "cannot be read"),
        ("- {code: fasit, version: " + "9" * 5_000 + "}", "cannot be read"),
        ("- {code: fasit, version: !!int x}", "cannot be read"),
        ("- {code: fasit, version: !!bool x}", "cannot be read"),
        ("- {code: fasit, version: !!timestamp x}", "cannot be read"),
        ("- {code: fasit, version: 1, valid_from: !!timestamp 2026-11-27}", "cannot be read"),
        ("[" * 3_000, "cannot be read"),
        ("\xff", "cannot be read"),
        ("- {code: fasit, version: 1}", "client_id"),
        ("- {code: A B, version: 1, client_id: a, event_sources: [u], event_types: [bif.x], units: [BIF]}", "code"),
        (
            "- {code: abc, version: 1, client_id: a, event_sources: ['urn:kk:a'], event_types: ['*'], units: [BIF]}",
            "types",
        ),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_with_the_field(tmp_path, said, named):
    (tmp_path / "sources.yaml").write_bytes(said.encode("latin-1"))
    with pytest.raises(SourcesError, match=named):
        load_sources(tmp_path)
