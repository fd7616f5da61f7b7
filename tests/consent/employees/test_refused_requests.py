"""Whoever is refused what a path names is on the record as refused, and never as having read it: at every operation."""

import re
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from services.consent.app import ROUTERS
from tests.consent.citizens.test_family import WISH, family
from tests.consent.world import issuer
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.staff import authorised, employee

OPERATIONS = [
    (method, route.path, route.name)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "{borger_id}" in route.path
    for method in sorted(route.methods)
]
ROLES = ("citizen", "caseworker", "dpo", "administrator", "source_system", "recipient_system")


def path_of(template: str, borger_id: object) -> str:
    return re.sub(r"\{\w+\}", lambda _: str(uuid4()), template.replace("{borger_id}", str(borger_id)))


async def entries(door: Door) -> list[dict[str, Any]]:
    return [entry for _, entry in await door.told("audit.entries")]


def caller(door: Door, role: str, hans: Citizen) -> str:
    return hans.token if role == "citizen" else employee(role=role)


@pytest.mark.parametrize(("method", "template", "name"), OPERATIONS)
async def test_a_refusal_is_the_one_entry_that_it_leaves(door: Door, method: str, template: str, name: str):
    peter, hans = await door.citizen(), await door.citizen()
    for role in ROLES:
        before = len(await entries(door))
        headers = {KEY: uuid4().hex, "If-Match": "*"}
        answer = await door.call(
            method, path_of(template, peter.borger_id), caller(door, role, hans), headers=headers, json={}
        )
        left = (await entries(door))[before:]
        if answer.status_code not in {403, 404}:  # the officer may list; a body that is none is a 422
            assert all(entry["outcome"] == "success" for entry in left)
            continue
        assert [(entry["type"], entry["outcome"]) for entry in left] == [("access.refused", "refused")], role
        [entry] = left
        assert (entry["subject"], entry["actor_role"]) == (str(peter.borger_id), role)
        assert (entry["objects"]["operation"], entry["objects"]["status"]) == (name, str(answer.status_code))
        if role == "citizen":
            assert entry["objects"]["giver"] == str(hans.borger_id)


async def test_the_operations_are_not_few():
    assert len(OPERATIONS) > 25


async def test_nobodys_id_names_no_person_and_is_refused_alike(door: Door):
    peter, hans = await door.citizen(), await door.citizen()
    nobody = uuid4()
    answers = [
        await door.call("GET", f"/v1/citizens/{about}/consents", hans.token) for about in (nobody, peter.borger_id)
    ]
    assert answers[0].content == answers[1].content
    refused = [entry for entry in await entries(door) if entry["type"] == "access.refused"]
    assert [(entry.get("subject"), entry["objects"].get("borger_id")) for entry in refused] == [
        (None, str(nobody)),
        (str(peter.borger_id), None),
    ]


@pytest.mark.parametrize("what", ["consents", "refusals"])
async def test_what_a_representative_may_not_see_is_not_recorded_as_read(door: Door, what: str):
    peter, anna = await door.citizen(), await door.citizen()
    await authorised(door, peter, anna, purposes=["BOLIG_FOREBYGGELSE"])
    base = f"/v1/citizens/{peter.borger_id}"
    if what == "consents":
        hidden = (await door.grant(peter)).json()["consent"]["consent_id"]
    else:
        no = {"purpose": "KOORDINERING", "recipient_unit": "SOF-BCV"}
        hidden = (await door.call("POST", f"{base}/refusals", peter.token, json=no)).json()["refusal_id"]
    before = len(await entries(door))
    assert (await door.call("GET", f"{base}/{what}/{hidden}", anna.token)).status_code == 404
    assert [entry["type"] for entry in (await entries(door))[before:]] == ["access.refused"]
    assert (await door.call("GET", f"{base}/{what}/{hidden}", peter.token)).status_code == 200
    assert (await entries(door))[-1]["type"] == f"{what[:-1]}.read"


async def test_another_parents_receipt_is_not_recorded_as_read(door: Door):
    home = await family(door)
    given = await door.grant(home.father, home.id, **WISH)
    assert given.status_code == 201
    [row] = await door.rows("SELECT receipt_id FROM receipt")
    path = f"/v1/citizens/{home.id}/receipts/{row['receipt_id']}"
    before = len(await entries(door))
    assert (await door.call("GET", path, home.mother.token)).status_code == 404
    assert [entry["type"] for entry in (await entries(door))[before:]] == ["access.refused"]
    assert (await door.call("GET", path, home.father.token)).status_code == 200
    assert (await entries(door))[-1]["type"] == "receipt.read"


async def test_who_is_not_known_at_all_leaves_no_entry(door: Door):
    peter = await door.citizen()
    before = len(await entries(door))
    for token in (None, "no token"):
        assert (await door.call("GET", f"/v1/citizens/{peter.borger_id}/consents", token)).status_code == 401
    wrong = issuer.citizen(peter.cpr, aud="audit")
    assert (await door.call("GET", f"/v1/citizens/{peter.borger_id}/consents", wrong)).status_code == 401
    assert len(await entries(door)) == before
