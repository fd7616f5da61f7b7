"""The way to stop is never closed (docs/fence.md): with every quota used up, every place taken and the pools full."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import text

from libs.common.http.admission import Admission, Limits
from tests.consent.restrictions.test_restrictions import GROUND
from tests.consent.world import issuer
from tests.consent.world.door import KEY, Door
from tests.consent.world.fence_door import (
    ADVIS,
    OPERATOR,
    SLOT,
    acquire,
    event,
    granted,
    holder,
    item_for,
    refuse,
    supervisor,
)
from tests.waiting import until

ONE = Limits(quota_reads_per_minute=1, quota_writes_per_minute=1, quota_system_calls_per_minute=1)


async def test_with_every_quota_used_up_a_disclosure_is_still_stopped_in_every_way(door: Door) -> None:
    peter = await door.citizen(sub="peter")
    await granted(door, peter)
    holder_id, token = await holder(door)
    item = await item_for(door, peter.borger_id)
    assert len((await acquire(door, token, item)).json()["granted"]) == 1

    door.app.state.admission = Admission(ONE)
    path, key = f"/v1/citizens/{peter.borger_id}", {KEY: uuid4().hex}
    limited = {
        "reads": ("GET", f"{path}/consents", peter.token, {}),
        "grants": ("POST", f"{path}/consents", peter.token, {"json": await door.body(), "headers": key}),
        "acquires": ("POST", "/v1/permits:acquire", token, {"json": {"items": []}}),
        "arrivals": ("POST", "/v1/arrivals", ADVIS, {"json": {"items": [event(peter.borger_id)]}}),
        "registers": (
            "POST", "/v1/holders", supervisor(), {"json": {"holder_id": str(uuid4()), "slot": SLOT}},
        ),
    }  # fmt: skip
    for _ in range(2):
        statuses = {name: (await door.call(*call[:3], **call[3])).status_code for name, call in limited.items()}
    assert set(statuses.values()) == {429}, statuses

    settled = {"items": [{"permit_id": item["permit_id"], "outcome": "disclosed"}]}
    assert (await door.call("POST", "/v1/permits:settle", token, json=settled)).status_code == 204
    assert (await door.call("GET", f"/v1/holders/{SLOT}/orders", supervisor())).status_code == 200
    withdrawn = await door.call("POST", f"{path}/consents:withdraw", peter.token, json={"all": True})
    assert (withdrawn.status_code, withdrawn.json()["status"]) == (200, "drained")
    one = withdrawn.json()["consents"][0]["consent_id"]
    again = await door.call("POST", f"{path}/consents/{one}:withdraw", peter.token)
    assert again.status_code == 200
    status = f"{path}/withdrawals/{withdrawn.json()['withdrawal_id']}"
    assert (await door.call("GET", status, peter.token)).status_code == 200
    assert (await refuse(door, peter)).status_code == 200
    restricted = await door.call("POST", f"{path}/restrictions", peter.token, json={"ground": GROUND})
    assert restricted.status_code == 200, restricted.text
    dead = f"/v1/holders/{holder_id}:dead"
    assert (await door.call("POST", dead, OPERATOR, json={"proof": "operator"})).status_code == 204
    statuses = {name: (await door.call(*call[:3], **call[3])).status_code for name, call in limited.items()}
    assert set(statuses.values()) == {429}, statuses


@asynccontextmanager
async def _pools_full(door: Door) -> AsyncIterator[None]:
    """Reads that take long in every connection that reads may have, and writes likewise."""
    database = door.app.state.database
    begun = asyncio.Semaphore(0)

    async def slow(session_of) -> None:
        async with session_of() as session:
            begun.release()
            await session.execute(text("SELECT pg_sleep(9)"))

    loop = asyncio.get_running_loop()
    others = door.app.state.settings.database_pool_size - door.app.state.settings.database_reserved_connections
    tasks = [loop.create_task(slow(kind)) for kind in (database.read, database.write) for _ in range(others)]
    for _ in tasks:
        await begun.acquire()
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_with_the_pools_full_of_slow_reads_a_withdrawal_answers_and_a_read_waits(door: Door) -> None:
    peter = await door.citizen()
    consent_id = await granted(door, peter)
    _, token = await holder(door)
    path = f"/v1/citizens/{peter.borger_id}"
    async with _pools_full(door):
        read = asyncio.get_running_loop().create_task(door.client.get("/v1/me", headers=_as(peter.token)))
        settled = {"items": [{"permit_id": str(uuid4()), "outcome": "not_sent"}]}
        async with asyncio.timeout(4):  # less than a turn is waited for
            assert (await door.call("POST", "/v1/permits:settle", token, json=settled)).status_code == 204
            assert (await door.call("GET", f"/v1/holders/{SLOT}/orders", supervisor())).status_code == 200
            withdrawn = await door.call("POST", f"{path}/consents/{consent_id}:withdraw", peter.token)
        assert (withdrawn.status_code, withdrawn.json()["status"]) == (200, "drained")
        assert not read.done()
        assert (await read).status_code == 503  # it has waited its five seconds, and may be repeated


async def test_withdrawals_that_wait_for_a_scope_leave_a_connection_to_what_they_wait_for(door: Door) -> None:
    """A scope is held by an acquire; withdrawals wait for it in every connection they may have; a settle gets by."""
    peter = await door.citizen()
    consent_id = await granted(door, peter)
    _, token = await holder(door)
    size = door.app.state.settings.database_pool_size
    path = f"/v1/citizens/{peter.borger_id}/consents/{consent_id}:withdraw"
    blocker = await door.app.state.database.connect_alone("blocker")
    await blocker.execute("BEGIN")
    await blocker.execute("SELECT FROM scope WHERE borger_id = $1 FOR UPDATE", peter.borger_id)
    loop = asyncio.get_running_loop()
    withdrawals = [loop.create_task(door.call("POST", path, peter.token)) for _ in range(size + 2)]
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    try:
        await until(lambda: _at_least(size - 1, blocker.fetchval(waiting)))
        async with asyncio.timeout(2):  # what advis waits for an answer
            for _ in range(3):
                settled = {"items": [{"permit_id": str(uuid4()), "outcome": "not_sent"}]}
                assert (await door.call("POST", "/v1/permits:settle", token, json=settled)).status_code == 204
            assert (await door.call("GET", f"/v1/holders/{SLOT}/orders", supervisor())).status_code == 200
    finally:
        await blocker.close()
        answers = await asyncio.gather(*withdrawals)
    assert {answer.status_code for answer in answers} == {200}


async def _at_least(wanted: int, asked: Awaitable[int]) -> bool:
    return await asked >= wanted


async def test_with_every_place_taken_the_newest_is_shed_and_a_withdrawal_is_not(door: Door) -> None:
    peter = await door.citizen()
    consent_id = await granted(door, peter)
    door.app.state.admission = admission = Admission(Limits(requests_in_flight_max=3))
    async with _pools_full(door):
        loop = asyncio.get_running_loop()
        waiting = [loop.create_task(door.client.get("/v1/me", headers=_as(peter.token))) for _ in range(3)]
        await until(lambda: _is(admission, 3))
        async with asyncio.timeout(4):
            shed = await door.client.get("/v1/me", headers=_as(peter.token))
            path = f"/v1/citizens/{peter.borger_id}/consents/{consent_id}:withdraw"
            withdrawn = await door.call("POST", path, peter.token)
        assert (shed.status_code, shed.headers["Retry-After"]) == (503, "1")
        assert withdrawn.status_code == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert admission.in_flight == 0


@pytest.mark.parametrize("token", [issuer.token("citizen", aud="elsewhere"), "a.b.c", "nonsense"])
async def test_a_flood_of_tokens_that_do_not_hold_keeps_nobody_from_withdrawing(door: Door, token: str) -> None:
    peter = await door.citizen()
    consent_id = await granted(door, peter)
    door.app.state.admission = Admission(Limits(refused_tokens_per_minute=3))
    for _ in range(6):
        refused = await door.call("GET", "/v1/me", token)
    assert refused.status_code == 429
    fresh = issuer.citizen(peter.cpr)
    path = f"/v1/citizens/{peter.borger_id}/consents/{consent_id}:withdraw"
    assert (await door.call("GET", "/v1/me", fresh)).status_code == 429
    assert (await door.call("POST", path, fresh)).status_code == 200


async def _is(admission: Admission, in_flight: int) -> bool:
    return admission.in_flight == in_flight


def _as(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
