"""A basis that needs no consent: recorded for one question by its holder, shown, ended, and never called consent."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.consent.world import issuer
from tests.consent.world.basis_door import CASEWORKER, QUESTION, known_case, permitted, record, recorded
from tests.consent.world.door import Door
from tests.consent.world.fence_door import arrive, event, refuse, settle
from tests.consent.world.staff import employee


async def test_it_opens_exactly_its_question_from_then_on_and_is_no_consent(door: Door) -> None:
    peter = await door.citizen()
    await known_case(door, peter)
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] == []
    basis_id = (await record(door, peter.borger_id)).json()["basis_id"]
    (opening,) = (await arrive(door, event(peter.borger_id)))[0]["openings"]
    assert (opening["recipient_unit"], opening["purpose"]) == ("SOF-BCV", "KOORDINERING")
    other = event(peter.borger_id, type="bif.ydelse.stoppet")
    assert (await arrive(door, other))[0]["openings"] == []
    consents = await door.call("GET", f"/v1/citizens/{peter.borger_id}/consents", peter.token)
    assert consents.json()["items"] == []
    assert await door.told("consent.events") == []
    entries = [data for kind, data in await door.told("audit.entries") if kind == "other_basis.recorded"]
    assert [(entry["objects"]["basis_id"], entry["legal_basis"]) for entry in entries] == [(basis_id, "RSL_11A_2")]


async def test_the_citizen_sees_the_law_the_unit_and_the_end_in_their_language_and_is_told(door: Door) -> None:
    peter, hans = await door.citizen(), await door.citizen()
    basis_id = await recorded(door, peter)
    path = f"/v1/citizens/{peter.borger_id}/other-bases"
    (danish,) = (await door.call("GET", path, peter.token)).json()["items"]
    (english,) = (await door.call("GET", path, peter.token, params={"language": "en"})).json()["items"]
    assert danish["legal_basis"]["provision"] == "retssikkerhedsloven § 11 a, stk. 2"
    assert danish["legal_basis"]["label"] != english["legal_basis"]["label"]
    assert danish["recorded_by"]["code"] == "BIF-JOBINDSATS"
    assert danish["recorded_by"]["label"]
    assert (danish["status"], danish["kind"]) == ("active", "other_basis")
    assert {"borger_id", "employee", "decision_reference"}.isdisjoint(danish)
    assert (await door.call("GET", path, hans.token)).status_code == 404
    (notice,) = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/notices", peter.token)).json()["items"]
    assert (notice["kind"], notice["object_id"]) == ("other_basis_recorded", basis_id)
    receipts = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/receipts", peter.token)).json()["items"]
    assert [item["event"] for item in receipts] == ["other_basis_recorded"]


async def test_who_may_not_know_of_the_citizen_cannot_tell_them_from_nobody(door: Door) -> None:
    peter = await door.citizen()
    await known_case(door, peter)
    stranger = await record(door, uuid4())
    elsewhere = await record(door, peter.borger_id, employee("bif102", unit="BIF-YDELSE"))
    assert (stranger.status_code, elsewhere.status_code) == (404, 404)
    assert stranger.json() == elsewhere.json()
    await door.happens("bif.sag.lukket", peter.borger_id, unit="BIF-JOBINDSATS", case_reference="BIF-26-1")
    assert (await record(door, peter.borger_id)).json() == stranger.json()


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (employee("bif103", role="bridge_builder", unit="BIF-JOBINDSATS"), 403),
        (issuer.token("dpo", subject="dpo1", acr="Substantial"), 403),
        (employee("bif104", unit=None), 403),
        (employee("bif105", unit="BIF-JOBINDSATS", acr="Low"), 403),
        (None, 401),
    ],
)
async def test_it_is_a_caseworkers_decision(door: Door, token: str | None, status: int) -> None:
    peter = await door.citizen()
    await known_case(door, peter)
    assert (await record(door, peter.borger_id, token)).status_code == status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"legal_basis": "GDPR_SAMTYKKE"}, "legal_basis"),
        ({"legal_basis": "VAERDISPRING"}, "legal_basis"),
        ({"legal_basis": "SSD"}, "legal_basis"),
        ({"legal_basis": "NO_SUCH_LAW"}, "legal_basis"),
        ({"recipient_unit": "SOF-NOWHERE"}, "recipient_unit"),
        ({"purpose": "KONTROL"}, "purpose"),
        ({"category": "RUSMIDDEL"}, "category"),
        ({"category": "KRISECENTER"}, "category"),
        ({"valid_until": "2020-01-01T00:00:00Z"}, "valid_until"),
        ({"valid_until": (datetime.now(UTC) + timedelta(days=500)).isoformat()}, "valid_until"),
    ],
)
async def test_what_is_no_basis_without_consent_is_refused_by_field(
    door: Door, changes: dict[str, Any], field: str
) -> None:
    peter = await door.citizen()
    await known_case(door, peter)
    answer = await record(door, peter.borger_id, **changes)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert await door.rows("SELECT 1 FROM other_basis") == []


async def test_ending_it_waits_for_what_is_in_flight_and_repeating_it_is_the_same(door: Door) -> None:
    peter = await door.citizen()
    basis_id = await recorded(door, peter)
    token, permit_id = await permitted(door, peter)
    path = f"/v1/other-bases/{basis_id}"
    elsewhere = employee("bif102", unit="BIF-YDELSE")
    assert (await door.call("POST", f"{path}:end", elsewhere)).status_code == 404
    answer = await door.call("POST", f"{path}:end", CASEWORKER, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["basis_id"], answer.json()["act"]) == (202, basis_id, "basis_ended")
    status_address = answer.headers["Location"]
    assert (await door.call("GET", status_address, CASEWORKER)).status_code == 202
    assert (await door.call("GET", status_address, elsewhere)).status_code == 404
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] == []
    await settle(door, token, permit_id)
    assert (await door.call("GET", status_address, CASEWORKER)).status_code == 200
    again = await door.call("POST", f"{path}:end", CASEWORKER)
    assert (again.status_code, again.json()["withdrawal_id"]) == (200, answer.json()["withdrawal_id"])
    (shown,) = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/other-bases", peter.token)).json()["items"]
    assert shown["status"] == "ended"
    assert await door.told("consent.events") == []


async def test_a_citizens_refusal_stops_it(door: Door) -> None:
    peter = await door.citizen()
    await recorded(door, peter)
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] != []
    assert (await refuse(door, peter)).status_code == 200
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] == []


async def test_one_key_is_one_basis(door: Door) -> None:
    peter = await door.citizen()
    await known_case(door, peter)
    first = await record(door, peter.borger_id, key="record-it-1")
    assert (await record(door, peter.borger_id, key="record-it-1")).json() == first.json()
    assert (await record(door, peter.borger_id, key="record-it-1", legal_basis="RSL_11C")).status_code == 409
    assert len(await door.rows("SELECT 1 FROM other_basis")) == 1


async def test_the_units_list_is_the_units_own(door: Door) -> None:
    peter = await door.citizen()
    basis_id = await recorded(door, peter)
    (item,) = (await door.call("GET", "/v1/other-bases", CASEWORKER)).json()["items"]
    assert (item["basis_id"], item["borger_id"], item["employee"]) == (basis_id, str(peter.borger_id), "bif101")
    assert item["category"]["code"] == QUESTION["category"]
    elsewhere = employee("bif102", unit="BIF-YDELSE")
    assert (await door.call("GET", "/v1/other-bases", elsewhere)).json()["items"] == []
    assert (await door.call("GET", "/v1/other-bases", peter.token)).status_code == 403
