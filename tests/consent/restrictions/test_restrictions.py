"""A restriction keeps and does not use (GDPR art. 18, R27): it drains, and is lifted after the citizen is told."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from services.consent.drains.store import Withdrawal
from services.consent.restrictions import commands as restrictions_commands
from tests.consent.world import issuer
from tests.consent.world.door import Citizen, Door
from tests.consent.world.fence_door import arrive, event, granted, in_flight, settle
from tests.consent.world.fence_world import World

DPO = issuer.token("dpo", subject="dpo1", client_id="dpo-desk", acr="Substantial")
GROUND = "objection_pending"


async def restricts(world: World, borger_id: UUID, consent_id: UUID | None = None) -> Withdrawal:
    request = world.request(borger_id)
    return await world.write(
        lambda s: restrictions_commands.restrict(s, world.signer, request, consent_id=consent_id, ground=GROUND)
    )


async def lifts(world: World, restriction: Withdrawal) -> None:
    request = world.request(restriction.borger_id)
    made = restriction.object_id
    await world.write(lambda s: restrictions_commands.lift(s, world.signer, request, made, notice=None))


async def may(world: World, borger_id: UUID) -> bool:
    return bool(await world.acquire(await world.holder(), await world.item(borger_id)))


@pytest.mark.parametrize("everything", [True, False])
async def test_it_waits_for_what_is_in_flight_and_keeps_the_consent(world: World, everything: bool) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    restriction = await restricts(world, borger_id, None if everything else consent.consent_id)
    assert not await world.drained(restriction)
    assert not await may(world, borger_id)
    await world.settle(holder_id, item.permit_id)
    assert await world.drained(restriction)
    assert await world.value("SELECT status FROM consent WHERE consent_id = $1", consent.consent_id) == "active"


async def test_one_consent_restricted_leaves_the_others(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    other = await world.grant(borger_id, holder_unit="BIF-YDELSE", categories={"FORSOERGELSE"})
    await restricts(world, borger_id, other.consent_id)
    assert await may(world, borger_id)


async def test_of_everything_covers_consents_that_come_later(world: World) -> None:
    borger_id = await world.citizen()
    await restricts(world, borger_id)
    await world.grant(borger_id)
    assert not await may(world, borger_id)


async def test_lifting_revives_for_what_arrives_from_then_on_only(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    before = await world.item(borger_id)
    restriction = await restricts(world, borger_id)
    await lifts(world, restriction)
    assert await world.acquire(await world.holder(), before) == []
    assert await may(world, borger_id)


async def test_repeating_it_while_it_stands_is_the_same_one(world: World) -> None:
    borger_id = await world.citizen()
    first = await restricts(world, borger_id)
    assert await restricts(world, borger_id) == first
    await lifts(world, first)
    await lifts(world, first)
    assert (await restricts(world, borger_id)).object_id != first.object_id


async def restrict(door: Door, token: str, about: UUID, **body: Any) -> httpx2.Response:
    return await door.call("POST", f"/v1/citizens/{about}/restrictions", token, json={"ground": GROUND, **body})


async def restricted(door: Door, by: Citizen) -> str:
    answer = await restrict(door, by.token, by.borger_id)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["restriction_id"])


async def test_the_citizen_restricts_drains_and_lifts_when_they_want_to(door: Door) -> None:
    peter = await door.citizen()
    consent_id, token, permit_id = await in_flight(door, peter)
    path = f"/v1/citizens/{peter.borger_id}/restrictions"
    body = {"ground": GROUND, "consent_id": consent_id}
    answer = await door.call("POST", path, peter.token, json=body, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["act"], answer.json()["status"]) == (202, "restriction", "draining")
    assert (await door.call("GET", answer.headers["Location"], peter.token)).status_code == 202
    await settle(door, token, permit_id)
    assert (await door.call("GET", answer.headers["Location"], peter.token)).status_code == 200
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] == []
    lift = f"{path}/{answer.json()['restriction_id']}:lift"
    lifted = await door.call("POST", lift, peter.token)
    assert (lifted.status_code, (await door.call("POST", lift, peter.token)).json()) == (200, lifted.json())
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] != []
    (kept,) = (await door.call("GET", path, peter.token)).json()["items"]
    assert (kept["recorded_by"], kept["lifted_by"], kept["consent_id"]) == ("citizen", "citizen", consent_id)
    events = [row["event"] for row in await door.rows("SELECT event FROM receipt ORDER BY sequence")]
    assert events == ["given", "restricted", "restriction_lifted"]


async def test_the_officer_restricts_on_the_citizens_behalf_and_lifts_only_after_telling_them(door: Door) -> None:
    peter = await door.citizen()
    await granted(door, peter)
    restriction_id = (await restrict(door, DPO, peter.borger_id)).json()["restriction_id"]
    path = f"/v1/citizens/{peter.borger_id}/restrictions/{restriction_id}"
    assert (await door.call("POST", f"{path}:lift", DPO)).status_code == 409
    told = await door.call("POST", f"{path}:announce-lifting", DPO)
    assert told.json()["announced_at"] is not None
    assert (await door.call("POST", f"{path}:announce-lifting", DPO)).json() == told.json()
    assert (await door.call("POST", f"{path}:lift", DPO)).status_code == 409
    notices = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/notices", peter.token)).json()["items"]
    assert [(item["kind"], item["object_id"]) for item in notices] == [("restriction_to_be_lifted", restriction_id)]
    await door.rows("UPDATE restriction SET announced_at = announced_at - interval '7 days'")
    assert (await door.call("POST", f"{path}:lift", DPO)).status_code == 200
    kinds = [kind for kind, _ in await door.told("audit.entries")]
    for kind in ("restriction.recorded", "restriction.lifting_announced", "restriction.lifted"):
        assert kinds.count(kind) == 1


async def test_the_citizen_may_lift_what_the_officer_restricted(door: Door) -> None:
    peter = await door.citizen()
    restriction_id = (await restrict(door, DPO, peter.borger_id)).json()["restriction_id"]
    path = f"/v1/citizens/{peter.borger_id}/restrictions/{restriction_id}:lift"
    assert (await door.call("POST", path, peter.token)).status_code == 200


async def test_nobody_else_restricts_lifts_or_sees(door: Door) -> None:
    peter, hans = await door.citizen(), await door.citizen()
    restriction_id = await restricted(door, peter)
    path = f"/v1/citizens/{peter.borger_id}/restrictions"
    theirs = f"/v1/citizens/{hans.borger_id}/restrictions/{restriction_id}"
    assert (await restrict(door, hans.token, peter.borger_id)).status_code == 404
    assert (await door.call("GET", path, hans.token)).status_code == 404
    assert (await door.call("POST", f"{theirs}:lift", hans.token)).status_code == 404
    assert (await door.call("GET", f"{theirs}/drain", hans.token)).status_code == 404
    assert (await restrict(door, issuer.token("caseworker"), peter.borger_id)).status_code == 403
    assert (await door.call("POST", f"{path}/{restriction_id}:announce-lifting", peter.token)).status_code == 403
    assert (await restrict(door, DPO, uuid4())).status_code == 404
    assert (await restrict(door, peter.token, peter.borger_id, consent_id=str(uuid4()))).status_code == 404
    assert (await restrict(door, peter.token, peter.borger_id, ground="because")).status_code == 422
