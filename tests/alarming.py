"""What the door to the alarms must do in every service, asked of a service's own composition."""

from collections.abc import Awaitable, Callable

import httpx2

from libs.common.database.database import Database, driver
from libs.common.running.alarms import AlarmCode, raise_alarm

Call = Callable[[str, str, str], Awaitable[httpx2.Response]]  # method, path, role


async def prove_alarm_door(database: Database, call: Call) -> None:
    """An alarm is listed until it is acknowledged, by those who may, on the record; then it opens anew."""
    async with database.write() as session:
        await raise_alarm(session, AlarmCode.SWEEP_FAILING, about="expiry")
        await raise_alarm(session, AlarmCode.SWEEP_FAILING, about="expiry")
        await raise_alarm(session, AlarmCode.PARTITION_STUCK, about="case.events/3")
    for role in ("operator", "dpo"):
        listed = await call("GET", "/v1/alarms?acknowledged=false", role)
        assert listed.status_code == 200, listed.text
        seen = [(item["code"], item["about"], item["count"]) for item in listed.json()["items"]]
        assert seen == [("partition_stuck", "case.events/3", 1), ("sweep_failing", "expiry", 2)]
    for role in ("caseworker", "administrator", "source_system"):
        assert (await call("GET", "/v1/alarms", role)).status_code == 403
        assert (await call("POST", "/v1/alarms/1:acknowledge", role)).status_code == 403
    await _prove_pages(call)
    await _prove_acknowledgement(database, call)


async def _prove_pages(call: Call) -> None:
    first = (await call("GET", "/v1/alarms?limit=1", "operator")).json()
    second = (await call("GET", f"/v1/alarms?limit=1&cursor={first['next']}", "operator")).json()
    assert [item["code"] for item in first["items"] + second["items"]] == ["partition_stuck", "sweep_failing"]
    assert second["next"] is None
    for cursor in ("12", "0", str(2**63), first["next"][:-2]):
        assert (await call("GET", f"/v1/alarms?limit=1&cursor={cursor}", "operator")).status_code == 422
    another = await call("GET", f"/v1/alarms?limit=1&cursor={first['next']}", "dpo")
    assert another.status_code == 422, "a cursor is its reader's"


async def _prove_acknowledgement(database: Database, call: Call) -> None:
    listed = (await call("GET", "/v1/alarms", "operator")).json()["items"]
    path = f"/v1/alarms/{listed[1]['alarm_id']}:acknowledge"
    closed = await call("POST", path, "dpo")
    assert closed.status_code == 200, closed.text
    assert closed.json()["acknowledged_at"]
    assert (await call("POST", path, "operator")).json() == closed.json()
    assert (await call("POST", "/v1/alarms/999999:acknowledge", "operator")).status_code == 404
    still_open = (await call("GET", "/v1/alarms?acknowledged=false", "operator")).json()["items"]
    assert [item["code"] for item in still_open] == ["partition_stuck"]
    async with database.write() as session:
        await raise_alarm(session, AlarmCode.SWEEP_FAILING, about="expiry")
        entries = await driver(session).fetchval("SELECT count(*) FROM outbox WHERE type = 'alarm.acknowledged'")
    again = (await call("GET", "/v1/alarms?acknowledged=false", "operator")).json()["items"]
    assert [(item["code"], item["count"]) for item in again] == [("sweep_failing", 1), ("partition_stuck", 1)]
    assert entries == 1  # who came second has changed nothing
