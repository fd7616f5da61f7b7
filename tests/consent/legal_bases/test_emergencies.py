"""An emergency stands before a refusal for some hours, never about the dead; it is told at once, and reviewed."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.consent.world import issuer
from tests.consent.world.basis_door import CASEWORKER, emergency, known_case, permitted, record
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.fence_door import arrive, event, refuse, settle

DPO = issuer.token("dpo", subject="dpo1", client_id="dpo-desk", acr="Substantial")


async def openings(door: Door, by: Citizen) -> int:
    return len((await arrive(door, event(by.borger_id)))[0]["openings"])


async def in_danger(door: Door) -> tuple[Citizen, str]:
    """A citizen whose refusal of everything stands, and an emergency about them."""
    peter = await door.citizen()
    await known_case(door, peter)
    await refuse(door, peter, json={"purpose": None, "recipient_unit": None})
    assert await openings(door, peter) == 0
    answer = await emergency(door, peter.borger_id)
    assert answer.status_code == 201, answer.text
    return peter, str(answer.json()["basis_id"])


async def test_it_stands_before_a_refusal_and_a_restriction_and_is_told_at_once(door: Door) -> None:
    peter, basis_id = await in_danger(door)
    body = {"ground": "objection_pending"}
    await door.call("POST", f"/v1/citizens/{peter.borger_id}/restrictions", peter.token, json=body)
    assert await openings(door, peter) == 1
    for path, token in ((f"/v1/citizens/{peter.borger_id}/notices", peter.token), ("/v1/notices", DPO)):
        (notice,) = (await door.call("GET", path, token)).json()["items"]
        assert (notice["kind"], notice["object_id"]) == ("emergency_disclosure", basis_id)
    (entry,) = [data for kind, data in await door.told("audit.entries") if kind == "emergency.recorded"]
    assert (entry["reason"], entry["legal_basis"]) == ("danger_to_the_citizen", "VAERDISPRING")
    (shown,) = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/other-bases", peter.token)).json()["items"]
    assert (shown["kind"], shown["emergency_reason"], shown["review"]) == ("emergency", "danger_to_the_citizen", None)


async def test_nothing_is_disclosed_about_the_dead_for_all_that(door: Door) -> None:
    peter, _ = await in_danger(door)
    await door.happens("cpr.doedsfald", peter.borger_id)
    assert await openings(door, peter) == 0


async def test_it_ends_by_the_clock_whatever_was_typed_in(door: Door) -> None:
    peter, _ = await in_danger(door)
    await door.rows("UPDATE other_basis SET valid_until = valid_until + interval '30 days'")
    assert await openings(door, peter) == 1
    await door.rows("UPDATE other_basis SET valid_from = valid_from - interval '72 hours'")
    assert await openings(door, peter) == 0
    (shown,) = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/other-bases", peter.token)).json()["items"]
    assert shown["status"] == "expired"


@pytest.mark.parametrize(("hours", "status"), [(71, 201), (73, 422)])
async def test_it_may_be_shorter_than_the_policys_hours_and_not_longer(door: Door, hours: int, status: int) -> None:
    peter = await door.citizen()
    await known_case(door, peter)
    until = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    assert (await emergency(door, peter.borger_id, valid_until=until)).status_code == status


async def test_it_rests_on_a_provision_for_emergencies_and_has_a_coded_reason(door: Door) -> None:
    peter = await door.citizen()
    await known_case(door, peter)
    wrong = await emergency(door, peter.borger_id, legal_basis="RSL_11A_2")
    assert (wrong.status_code, wrong.json()["errors"][0]["known"]) == (422, ["VAERDISPRING"])
    assert (await emergency(door, peter.borger_id, reason="it seemed right")).status_code == 422
    assert await openings(door, peter) == 0


async def test_a_refusal_stops_another_basis_but_not_this(door: Door) -> None:
    peter = await door.citizen()
    await known_case(door, peter)
    await record(door, peter.borger_id)
    await refuse(door, peter)
    assert await openings(door, peter) == 0


async def review(door: Door, basis_id: str, outcome: str, *, token: str = DPO, key: str = "review-it-1"):
    headers = {KEY: key, "Prefer": "respond-async"}
    path = f"/v1/emergencies/{basis_id}:review"
    return await door.call("POST", path, token, json={"outcome": outcome}, headers=headers)


async def test_one_that_is_found_unjustified_ends_at_once_and_waits_for_what_is_in_flight(door: Door) -> None:
    peter, basis_id = await in_danger(door)
    token, permit_id = await permitted(door, peter)
    answer = await review(door, basis_id, "unjustified")
    assert (answer.status_code, answer.json()["review"]) == (202, "unjustified")
    assert await openings(door, peter) == 0
    assert (await door.call("GET", answer.headers["Location"], DPO)).status_code == 202
    await settle(door, token, permit_id)
    assert (await door.call("GET", answer.headers["Location"], DPO)).status_code == 200
    assert (await review(door, basis_id, "unjustified")).status_code == 200
    kinds = [
        item["kind"]
        for item in (await door.call("GET", f"/v1/citizens/{peter.borger_id}/notices", peter.token)).json()["items"]
    ]
    assert sorted(kinds) == ["emergency_disclosure", "emergency_unjustified", "other_basis_ended"]


async def test_one_that_is_found_justified_goes_on_and_leaves_the_officers_list(door: Door) -> None:
    peter, basis_id = await in_danger(door)
    unreviewed = {"unreviewed": "true"}
    (item,) = (await door.call("GET", "/v1/emergencies", DPO, params=unreviewed)).json()["items"]
    assert (item["basis_id"], item["borger_id"]) == (basis_id, str(peter.borger_id))
    assert (await review(door, basis_id, "justified")).status_code == 200
    assert (await door.call("GET", "/v1/emergencies", DPO, params=unreviewed)).json()["items"] == []
    assert (await door.call("GET", "/v1/notices", DPO, params={"unseen": "true"})).json()["items"] == []
    assert await openings(door, peter) == 1
    assert (await review(door, basis_id, "unjustified", key="another-key")).status_code == 409
    assert (await review(door, basis_id, "unjustified")).status_code == 409
    kinds = [kind for kind, _ in await door.told("audit.entries")]
    assert (kinds.count("emergency.reviewed"), kinds.count("emergencies.listed")) == (1, 2)


async def test_only_the_officer_reviews_and_only_emergencies(door: Door) -> None:
    peter, basis_id = await in_danger(door)
    for token in (CASEWORKER, peter.token):
        assert (await review(door, basis_id, "justified", token=token)).status_code == 403
        assert (await door.call("GET", "/v1/emergencies", token)).status_code == 403
    ordinary = (await record(door, peter.borger_id)).json()["basis_id"]
    assert (await review(door, ordinary, "justified")).status_code == 404
