"""A refusal overrides every consent that it covers until it is lifted (R50), be it of one scope or of all."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.consent.drains.store import Withdrawal
from services.consent.model.scope import ScopeKey
from services.consent.refusals import commands as refusals_commands
from services.consent.scopes import scopes
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.fence_door import arrive, event, granted, in_flight, refuse, settle
from tests.consent.world.fence_world import PURPOSE, RECIPIENT, World

ELSEWHERE = "SOF-RUSMIDDEL"


async def refuses(world: World, borger_id: UUID, purpose: str | None, recipient: str | None) -> Withdrawal:
    request = world.request(borger_id)
    return await world.write(
        lambda s: refusals_commands.refuse(s, world.signer, request, purpose=purpose, recipient_unit=recipient)
    )


async def lifts(world: World, refusal: Withdrawal) -> None:
    request = world.request(refusal.borger_id)
    await world.write(lambda s: refusals_commands.lift_refusal(s, world.signer, request, refusal.object_id))


async def may(world: World, borger_id: UUID, **changes: Any) -> bool:
    return bool(await world.acquire(await world.holder(), await world.item(borger_id, **changes)))


@pytest.mark.parametrize(
    ("purpose", "recipient", "forbidden"),
    [
        (PURPOSE, RECIPIENT, True),
        (None, RECIPIENT, True),
        (PURPOSE, None, True),
        (None, None, True),
        (None, ELSEWHERE, False),
        ("AFKLARING", None, False),
        (PURPOSE, ELSEWHERE, False),
    ],
)
async def test_it_forbids_what_it_covers_and_nothing_else(
    world: World, purpose: str | None, recipient: str | None, forbidden: bool
) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    assert await may(world, borger_id)
    await refuses(world, borger_id, purpose, recipient)
    assert await may(world, borger_id) is not forbidden


@pytest.mark.parametrize("extent", [(None, RECIPIENT), (PURPOSE, None), (None, None)])
async def test_a_wide_one_waits_for_what_is_in_flight_in_every_scope_that_it_covers(
    world: World, extent: tuple[str | None, str | None]
) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    refusal = await refuses(world, borger_id, *extent)
    assert not await world.drained(refusal)
    await world.settle(holder_id, item.permit_id)
    assert await world.drained(refusal)


async def test_a_wide_one_covers_scopes_that_come_later(world: World) -> None:
    borger_id = await world.citizen()
    assert await world.drained(await refuses(world, borger_id, None, None))
    await world.grant(borger_id)
    assert not await may(world, borger_id)
    await world.grant(other := await world.citizen())
    assert await may(world, other)


async def test_lifting_revives_for_what_arrives_from_then_on_only(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    before = await world.item(borger_id)
    refusal = await refuses(world, borger_id, None, None)
    during = await world.item(borger_id)
    await lifts(world, refusal)
    assert await world.acquire(await world.holder(), before) == []
    assert await world.acquire(await world.holder(), during) == []
    assert await may(world, borger_id)


async def test_lifting_one_leaves_another_that_covers_the_same(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    wide, narrow = await refuses(world, borger_id, None, None), await refuses(world, borger_id, PURPOSE, RECIPIENT)
    await lifts(world, wide)
    assert not await may(world, borger_id)
    await lifts(world, narrow)
    assert await may(world, borger_id)


async def test_no_scope_appears_while_a_wide_one_is_written(world: World) -> None:
    """Else a disclosure in a scope that it does not know of would be in flight after its `200`."""
    borger_id = await world.citizen()
    refused, go = asyncio.Event(), asyncio.Event()
    request = world.request(borger_id)

    async def slowly() -> None:
        async with world.database.write() as session:
            await refusals_commands.refuse(session, world.signer, request, purpose=None, recipient_unit=None)
            refused.set()
            await go.wait()

    refusing = asyncio.create_task(slowly())
    await refused.wait()
    granting = asyncio.create_task(world.grant(borger_id))
    await world.waits_for_a_lock()
    go.set()
    await refusing
    await granting
    assert not await may(world, borger_id)


async def test_a_scope_that_appears_first_is_waited_for_by_the_wide_one(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    made, go = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        async with world.database.write() as session:
            await scopes.change(session, [key], lambda _: held())

    async def held() -> None:
        made.set()
        await go.wait()

    key = ScopeKey(borger_id, PURPOSE, RECIPIENT)
    creating = asyncio.create_task(slowly())
    await made.wait()
    refusing = asyncio.create_task(refuses(world, borger_id, None, None))
    await world.waits_for_a_lock()
    go.set()
    await creating
    refusal = await refusing
    query = "SELECT count(*) FROM withdrawal_scope WHERE withdrawal_id = $1"
    assert await world.value(query, refusal.withdrawal_id) == 1
    assert await world.acquire(holder_id, await world.item(borger_id)) == []


async def test_while_it_stands_repeating_it_is_the_same_refusal(world: World) -> None:
    borger_id = await world.citizen()
    first = await refuses(world, borger_id, None, RECIPIENT)
    assert await refuses(world, borger_id, None, RECIPIENT) == first
    assert (await refuses(world, borger_id, None, None)).object_id != first.object_id
    await lifts(world, first)
    assert (await refuses(world, borger_id, None, RECIPIENT)).object_id != first.object_id


async def test_every_scope_that_it_ends_something_in_is_told_on_the_bus(world: World) -> None:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    await world.grant(borger_id, recipient_unit=ELSEWHERE)
    await refuses(world, borger_id, None, None)
    async with world.raw() as session:
        rows = await session.fetch("SELECT payload FROM outbox WHERE type = 'samtykke.afvist'")
    assert sorted(ELSEWHERE.encode() in row["payload"] for row in rows) == [False, True]
    assert await world.entries("refusal.recorded") == 1


async def wide(door: Door, by: Citizen, **body: Any) -> httpx2.Response:
    return await door.call("POST", f"/v1/citizens/{by.borger_id}/refusals", by.token, json=body)


async def test_over_http_a_no_to_everything_waits_drains_and_is_lifted(door: Door) -> None:
    peter = await door.citizen()
    _, token, permit_id = await in_flight(door, peter)
    path = f"/v1/citizens/{peter.borger_id}/refusals"
    answer = await door.call("POST", path, peter.token, json={}, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["act"], answer.json()["consent_id"]) == (202, "refusal", None)
    await settle(door, token, permit_id)
    assert (await door.call("GET", answer.headers["Location"], peter.token)).status_code == 200
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] == []
    refusal_id = answer.json()["refusal_id"]
    lifted = await door.call("POST", f"{path}/{refusal_id}:lift", peter.token, headers={KEY: "lift-it-now"})
    again = await door.call("POST", f"{path}/{refusal_id}:lift", peter.token, headers={KEY: "lift-it-now"})
    assert (lifted.status_code, lifted.json()) == (200, again.json())
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] != []


async def test_a_key_of_one_lifting_is_not_anothers(door: Door) -> None:
    peter = await door.citizen()
    first = (await refuse(door, peter)).json()["refusal_id"]
    second = (await wide(door, peter)).json()["refusal_id"]
    path = f"/v1/citizens/{peter.borger_id}/refusals"
    assert (await door.call("POST", f"{path}/{first}:lift", peter.token, headers={KEY: "one-key-1"})).status_code == 200
    assert (
        await door.call("POST", f"{path}/{second}:lift", peter.token, headers={KEY: "one-key-1"})
    ).status_code == 409


async def test_the_list_has_standing_and_lifted_ones_newest_first_and_is_the_citizens_own(door: Door) -> None:
    peter, hans = await door.citizen(), await door.citizen()
    await granted(door, peter)
    path = f"/v1/citizens/{peter.borger_id}/refusals"
    made = [
        (await wide(door, peter, **body)).json()["refusal_id"]
        for body in ({}, {"recipient_unit": RECIPIENT}, {"purpose": PURPOSE})
    ]
    await door.call("POST", f"{path}/{made[1]}:lift", peter.token)
    listed = (await door.call("GET", path, peter.token, params={"limit": "2"})).json()
    rest = (await door.call("GET", path, peter.token, params={"limit": "2", "cursor": listed["next"]})).json()
    assert [item["refusal_id"] for item in (*listed["items"], *rest["items"])] == made[::-1]
    assert rest["next"] is None
    for lifted, expected in (("true", [made[1]]), ("false", [made[2], made[0]])):
        found = (await door.call("GET", path, peter.token, params={"lifted": lifted})).json()["items"]
        assert [item["refusal_id"] for item in found] == expected
    one = (await door.call("GET", f"{path}/{made[0]}", peter.token)).json()
    assert (one["purpose"], one["recipient_unit"], one["lifted_at"]) == (None, None, None)
    for denied in (path, f"{path}/{made[0]}"):
        assert (await door.call("GET", denied, hans.token)).status_code == 404
    mine = f"/v1/citizens/{hans.borger_id}/refusals/{made[0]}"
    assert (await door.call("GET", mine, hans.token)).status_code == 404
    kinds = [kind for kind, _ in await door.told("audit.entries")]
    assert (kinds.count("refusals.listed"), kinds.count("refusal.read")) == (4, 1)
