"""The fence's HTTP door: who may knock with which credential, and what a batch may hold."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from starlette.requests import Request

from libs.common.database.database import LOCK_TIMEOUT_MS, driver
from libs.common.database.transaction import TRIES_MAX, committed
from libs.common.http.problems import UnavailableError
from tests.consent.world import issuer
from tests.consent.world.door import Door, opened
from tests.consent.world.fence_door import (
    ADVIS,
    OPERATOR,
    SLOT,
    acquire,
    event,
    granted,
    holder,
    in_flight,
    item_for,
    settle,
    supervisor,
)

WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_an_acquire_and_its_repetition_answer_the_same_permit(door: Door) -> None:
    peter = await door.citizen()
    consent_id = await granted(door, peter)
    _, token = await holder(door)
    item = await item_for(door, peter.borger_id)
    (first,) = (await acquire(door, token, item)).json()["granted"]
    (again,) = (await acquire(door, token, item)).json()["granted"]
    assert first == {"permit_id": item["permit_id"], "lease_ms": 5000, "consents": [consent_id]}
    assert again["lease_ms"] <= first["lease_ms"]


async def test_what_is_refused_is_missing_and_nothing_says_why(door: Door) -> None:
    peter = await door.citizen()
    await granted(door, peter)
    _, token = await holder(door)
    item = await item_for(door, peter.borger_id)
    await settle(door, token, item["permit_id"])
    answer = await acquire(door, token, item)
    assert (answer.status_code, answer.json()) == (200, {"granted": []})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("call", ["acquire", "settle"])
async def test_only_a_holders_own_credential_takes_and_gives_back(door: Door, call: str) -> None:
    holder_id, token = await holder(door)
    other_id, _ = await holder(door)
    body = {"items": [{"permit_id": str(holder_id), "outcome": "unknown"}] if call == "settle" else []}
    secret = token.partition(".")[2]
    for wrong in (None, f"{other_id}.{secret}", f"{holder_id}.{secret}x", f"{holder_id}.", "nonsense", ADVIS):
        assert (await door.call("POST", f"/v1/permits:{call}", wrong, json=body)).status_code == 401
    assert (await door.call("POST", f"/v1/permits:{call}", token, json=body)).status_code in {200, 204}


async def test_a_holders_credential_is_not_stored(door: Door) -> None:
    _, token = await holder(door)
    (row,) = await door.rows("SELECT encode(token_sha256, 'escape') AS stored FROM holder")
    assert token.partition(".")[2] not in row["stored"]


async def test_a_dead_holder_is_forbidden_which_is_no_refusal_of_its_items(door: Door) -> None:
    holder_id, token = await holder(door)
    assert (await acquire(door, token)).status_code == 200
    await door.call("POST", f"/v1/holders/{holder_id}:dead", supervisor(), json={"proof": "reaped"})
    assert (await acquire(door, token)).status_code == 403
    assert (await settle(door, token, str(holder_id))).status_code == 204


async def test_advis_and_a_holder_may_preview_and_it_permits_nothing(door: Door) -> None:
    peter = await door.citizen()
    await granted(door, peter)
    _, token = await holder(door)
    item = await item_for(door, peter.borger_id)
    for credential in (token, ADVIS):
        answer = await door.call("POST", "/v1/permits:preview", credential, json={"items": [item]})
        assert answer.json() == {"would_grant": [item["permit_id"]]}
    assert not await door.rows("SELECT 1 FROM permit")
    assert not await door.rows("SELECT 1 FROM outbox WHERE type = 'disclosure.refused'")
    for credential, status in ((peter.token, 403), (None, 401), ("a.b", 401)):
        answer = await door.call("POST", "/v1/permits:preview", credential, json={"items": [item]})
        assert answer.status_code == status


async def test_what_a_preview_refuses_is_on_the_record_with_its_reason_and_not_in_the_answer(door: Door) -> None:
    peter = await door.citizen()
    await granted(door, peter)
    item = await item_for(door, peter.borger_id)
    refused = item | {"recipient_unit": "SOF-PSYKIATRI"}
    answer = await door.call("POST", "/v1/permits:preview", ADVIS, json={"items": [refused]})
    assert answer.json() == {"would_grant": []}
    (row,) = await door.rows(
        "SELECT convert_from(payload, 'UTF8') AS entry FROM outbox WHERE type = 'disclosure.refused'"
    )
    entry = json.loads(row["entry"])
    assert (entry["subject"], entry["outcome"]) == (str(peter.borger_id), "refused")
    assert entry["reason"]


async def test_arrivals_are_for_advis_alone(door: Door) -> None:
    _, token = await holder(door)
    for credential, status in ((token, 401), (supervisor(), 403), (None, 401)):
        answer = await door.call("POST", "/v1/arrivals", credential, json={"items": []})
        assert answer.status_code == status


async def test_a_supervisor_acts_in_its_own_slots_only(door: Door) -> None:
    holder_id, token = await holder(door)
    stranger = supervisor("up2")
    register = {"holder_id": str(holder_id), "slot": SLOT}
    assert (await door.call("POST", "/v1/holders", stranger, json=register)).status_code == 403
    assert (await door.call("GET", f"/v1/holders/{SLOT}/orders", stranger)).status_code == 403
    absent = await door.call("POST", "/v1/holders/00000000-0000-4000-8000-000000000000:dead", stranger, json=PROOF)
    others = await door.call("POST", f"/v1/holders/{holder_id}:dead", stranger, json=PROOF)
    assert absent.status_code == others.status_code == 404
    assert absent.content == others.content
    assert (await acquire(door, token)).status_code == 200


PROOF = {"proof": "reaped"}


async def test_only_an_operator_buries_on_their_own_word(door: Door) -> None:
    holder_id, _ = await holder(door)
    path = f"/v1/holders/{holder_id}:dead"
    assert (await door.call("POST", path, supervisor(), json={"proof": "operator"})).status_code == 403
    assert (await door.call("POST", path, OPERATOR, json=PROOF)).status_code == 403
    assert (await door.call("POST", path, issuer.token("caseworker"), json=PROOF)).status_code == 403
    assert (await door.call("POST", path, OPERATOR, json={"proof": "operator"})).status_code == 204
    assert (await door.call("POST", path, supervisor(), json=PROOF)).status_code == 204


async def test_an_operator_sees_who_is_not_confirmed_dead_and_what_they_have_open(door: Door) -> None:
    peter = await door.citizen()
    _, _, permit_id = await in_flight(door, peter)
    assert permit_id
    answer = await door.call("GET", "/v1/holders", OPERATOR)
    (living,) = answer.json()["holders"]
    assert (living["slot"], living["open_permits"], living["fence_ordered_at"]) == (SLOT, 1, None)
    assert (await door.call("GET", "/v1/holders", supervisor())).status_code == 403


async def test_a_supervisor_is_told_whom_to_kill_until_it_has_confirmed_it(door: Door) -> None:
    peter = await door.citizen()
    consent_id, token, permit_id = await in_flight(door, peter)
    holder_id = token.partition(".")[0]
    await _owner_ages(door, permit_id)
    path = f"/v1/citizens/{peter.borger_id}/consents/{consent_id}:withdraw"
    answer = await door.call("POST", path, peter.token, headers={"Prefer": "respond-async"})
    status_address = answer.headers["Location"]
    assert (await door.call("GET", status_address, peter.token)).status_code == 202
    orders = f"/v1/holders/{SLOT}/orders"
    assert (await door.call("GET", orders, supervisor())).json() == {"holder_ids": [holder_id]}
    assert (await door.call("GET", "/v1/holders/up/other/orders", supervisor())).json() == {"holder_ids": []}
    assert (await door.call("GET", "/v1/holders/up/NOT-A-SLOT/orders", supervisor())).status_code == 422
    await door.call("POST", f"/v1/holders/{holder_id}:dead", supervisor(), json={"proof": "lock"})
    assert (await door.call("GET", orders, supervisor())).json() == {"holder_ids": []}
    assert (await door.call("GET", status_address, peter.token)).status_code == 200


async def _owner_ages(door: Door, permit_id: str) -> None:
    await door.rows(
        "UPDATE permit SET lease_until = now() - interval '1 second' WHERE permit_id = $1 RETURNING 1", permit_id
    )


async def test_a_batch_holds_an_id_once_and_not_too_much(door: Door) -> None:
    peter = await door.citizen()
    await granted(door, peter)
    _, token = await holder(door)
    item = await item_for(door, peter.borger_id)
    twice = await acquire(door, token, item, item)
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (422, "items")
    many = await acquire(door, token, *([item] * 501))
    assert (many.status_code, many.json()["errors"][0]["field"]) == (422, "items")


async def test_a_deadlock_is_repeated_and_one_that_does_not_end_is_unavailable(door: Door) -> None:
    request = Request({"type": "http", "app": door.app})
    tries = []

    async def deadlocks(times: int) -> int:
        tries.append(times)
        if len(tries) <= times:
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        return len(tries)

    assert await committed(request, lambda _: deadlocks(2)) == 3
    tries.clear()
    with pytest.raises(UnavailableError):
        await committed(request, lambda _: deadlocks(TRIES_MAX))
    assert len(tries) == TRIES_MAX


async def test_an_acquire_that_nobody_waits_for_any_more_leaves_nothing_behind(door: Door) -> None:
    peter = await door.citizen()
    await granted(door, peter)
    _, token = await holder(door)
    item = await item_for(door, peter.borger_id)
    state = door.app.state
    usual, state.settings = state.settings, state.settings.model_copy(update={"permit_wait_ms": 200})
    async with state.database.write() as session:
        await driver(session).execute("SELECT 1 FROM scope FOR UPDATE")
        headers = {"Authorization": f"Bearer {token}"}
        async with asyncio.timeout(LOCK_TIMEOUT_MS / 2_000):  # half of what ends it in any case
            answer = await door.client.post("/v1/permits:acquire", headers=headers, json={"items": [item]})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert not await door.rows(WAITING)
    assert not await door.rows("SELECT 1 FROM permit")
    state.settings = usual
    assert len((await acquire(door, token, item)).json()["granted"]) == 1


async def test_with_the_database_away_nothing_is_disclosed_and_the_caller_is_to_ask_again(
    secrets_folder: Path,
) -> None:
    async with opened("postgresql+asyncpg://nobody:none@127.0.0.1:1/none", secrets_folder) as away:
        body = {"items": [event(uuid4())]}
        for answer in (
            await away.call("POST", "/v1/arrivals", ADVIS, json=body),
            await away.call("POST", "/v1/permits:acquire", f"{uuid4()}.secret", json={"items": []}),
            await away.call("POST", f"/v1/holders/{uuid4()}:dead", supervisor(), json=PROOF),
        ):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
