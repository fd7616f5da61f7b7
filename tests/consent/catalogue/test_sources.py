"""Sources are reference data: an administrator adds, changes and ends them, and advis reads what is in force."""

from typing import Any

import pytest

from tests.consent.catalogue_administration.test_api import ADMIN, add, close, field_errors, seen, send
from tests.consent.world import issuer
from tests.consent.world.catalogue_world import day
from tests.consent.world.door import Door

ADVIS = issuer.token("advis", subject="advis", client_id="advis")
NEW: dict[str, Any] = {
    "kind": "sources",
    "valid_from": day(0).isoformat(),
    "label": {"da": "Nyt fagsystem", "en": "New system"},
    "source": "2026-0001",
    "client_id": "nexus",
    "event_sources": ["urn:kk:nexus"],
    "event_types": ["sof.plan.*"],
    "units": ["SOF-BCV"],
    "civil_registration": False,
}


async def in_force(door: Door) -> dict[str, Any]:
    answer = await door.call("GET", "/v1/sources", ADVIS)
    assert answer.status_code == 200, answer.text
    return {item["code"]: item for item in answer.json()["items"]}


async def test_advis_alone_reads_the_sources_in_force(door: Door) -> None:
    assert set(await in_force(door)) == {"cpr", "domus", "dubu", "fasit"}
    for token in (ADMIN, issuer.token("source_system", client_id="fasit"), issuer.token("caseworker")):
        assert (await door.call("GET", "/v1/sources", token)).status_code == 403


async def test_a_source_is_added_changed_and_ended_and_each_counts_at_once(door: Door) -> None:
    answer = await send(door, "POST", "catalogue/sources/nexus/versions", NEW)
    assert answer.status_code == 201, answer.text
    assert (await in_force(door))["nexus"]["event_types"] == ["sof.plan.*"]
    kind, entry = (await door.told("audit.entries"))[-1]
    assert (kind, entry["objects"]["kind"], entry["objects"]["code"]) == ("catalogue.changed", "sources", "nexus")
    changed = await add(door, "sources", "fasit", valid_from=day(0).isoformat(), event_types=["bif.ydelse.*"])
    assert changed.status_code == 201, changed.text
    assert (await in_force(door))["fasit"]["event_types"] == ["bif.ydelse.*"]
    assert (await close(door, "sources", "nexus", day(0).isoformat())).status_code == 200
    assert "nexus" not in await in_force(door)


async def test_a_source_is_changed_only_from_what_was_read(door: Door) -> None:
    view, _ = await seen(door, "sources", "fasit")
    body = NEW | view["versions"][0]["content"] | {"valid_from": day(1).isoformat()}
    path = "catalogue/sources/fasit/versions"
    assert (await send(door, "POST", path, body)).status_code == 428
    assert (await send(door, "POST", path, body, tag='"another"')).status_code == 412


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"client_id": "fasit"}, "client_id"),
        ({"event_sources": ["urn:samtykkebro:source:domus"]}, "event_sources"),
        ({"event_types": ["sof.*"]}, "units"),  # the unit's cases are DOMUS's to open and close
    ],
)
async def test_a_source_that_could_touch_another_is_refused(door: Door, change: dict[str, Any], field: str) -> None:
    answer = await send(door, "POST", "catalogue/sources/nexus/versions", NEW | change)
    assert [name for name, _ in field_errors(answer)] == [field]
    assert "nexus" not in await in_force(door)


@pytest.mark.parametrize(
    "change", [{"event_types": ["*"]}, {"units": ["*"]}, {"event_sources": ["has space"]}, {"event_types": []}]
)
async def test_a_source_names_what_it_may_say(door: Door, change: dict[str, Any]) -> None:
    answer = await send(door, "POST", "catalogue/sources/nexus/versions", NEW | change)
    assert answer.status_code == 422


async def test_a_senders_name_never_goes_over_to_another_source(door: Door) -> None:
    assert (await close(door, "sources", "dubu", day(0).isoformat())).status_code == 200
    answer = await send(
        door, "POST", "catalogue/sources/nexus/versions", NEW | {"event_sources": ["urn:samtykkebro:source:dubu"]}
    )
    assert [name for name, _ in field_errors(answer)] == ["event_sources"]
