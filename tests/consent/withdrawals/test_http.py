"""Withdrawing over HTTP: `200`, `202`, the status address, not waiting, and repeating it (P1, P5)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from tests.consent.world.door import KEY, Door, opened
from tests.consent.world.fence_door import (
    acquire,
    arrive,
    event,
    granted,
    holder,
    in_flight,
    item_for,
    refuse,
    settle,
    withdraw,
)
from tests.servers import TestDatabase


@pytest.fixture
async def door(consent_database: TestDatabase, secrets_folder: Path) -> AsyncIterator[Door]:
    """A door that waits for a drain a fifth of a second, not eight seconds."""
    async with opened(consent_database.url, secrets_folder, drain_wait_ms=200) as door:
        yield door


async def test_with_nothing_in_flight_it_is_drained_and_answered_200_with_a_receipt(door: Door) -> None:
    peter = await door.citizen()
    consent_id = await granted(door, peter)
    answer = await withdraw(door, peter, consent_id)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["status"], body["consent_id"], body["refusal_id"]) == ("drained", consent_id, None)
    assert body["drained_at"] >= body["registered_at"]
    keys = KeySet.import_key_set((await door.call("GET", "/.well-known/jwks.json")).json())
    receipt = jws.deserialize_compact(body["receipt"], keys, algorithms=["Ed25519"])
    assert b'"event":"withdrawn"' in receipt.payload
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] == []


async def test_while_something_is_in_flight_it_is_202_and_the_status_address_says_when_it_is_not(door: Door) -> None:
    peter = await door.citizen()
    consent_id, token, permit_id = await in_flight(door, peter)
    answer = await withdraw(door, peter, consent_id)
    assert (answer.status_code, answer.json()["status"], answer.json()["drained_at"]) == (202, "draining", None)
    status_address = answer.headers["Location"]
    assert (await door.call("GET", status_address, peter.token)).status_code == 202
    assert (await settle(door, token, permit_id)).status_code == 204
    status = await door.call("GET", status_address, peter.token)
    assert (status.status_code, status.json()["status"]) == (200, "drained")
    assert status.json()["receipt"] == answer.json()["receipt"]
    assert "Location" not in status.headers


async def test_the_answer_waits_for_a_disclosure_that_ends_in_time(
    consent_database: TestDatabase, secrets_folder: Path
) -> None:
    async with opened(consent_database.url, secrets_folder) as door:
        peter = await door.citizen()
        consent_id, token, permit_id = await in_flight(door, peter)
        withdrawing = asyncio.create_task(withdraw(door, peter, consent_id))
        while not await door.rows("SELECT 1 FROM withdrawal"):
            await asyncio.sleep(0.01)
        await settle(door, token, permit_id)
        assert (await withdrawing).status_code == 200


async def test_who_prefers_not_to_wait_is_answered_at_once(door: Door) -> None:
    peter = await door.citizen()
    consent_id, token, permit_id = await in_flight(door, peter)
    answer = await withdraw(door, peter, consent_id, Prefer="handling=lenient, respond-async")
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    await settle(door, token, permit_id)
    assert (await door.call("GET", answer.headers["Location"], peter.token)).status_code == 200


async def test_repeating_it_joins_the_same_drain_with_the_same_receipt(door: Door) -> None:
    peter = await door.citizen()
    consent_id, token, permit_id = await in_flight(door, peter)
    first = await withdraw(door, peter, consent_id, **{KEY: "the-first-key"})
    for headers in ({}, {KEY: "the-first-key"}, {KEY: "another-key"}, {"Prefer": "respond-async"}):
        again = await withdraw(door, peter, consent_id, **headers)
        assert (again.status_code, again.json()) == (202, first.json())
    await settle(door, token, permit_id)
    done = await withdraw(door, peter, consent_id)
    assert done.status_code == 200
    assert done.json()["withdrawal_id"] == first.json()["withdrawal_id"]
    assert len(await door.rows("SELECT 1 FROM receipt WHERE event = 'withdrawn'")) == 1


async def test_repeating_it_changes_nothing_when_the_citizen_has_consented_anew(door: Door) -> None:
    peter = await door.citizen()
    consent_id = await granted(door, peter)
    first = await withdraw(door, peter, consent_id, **{KEY: "the-first-key"})
    newer = await granted(door, peter)
    _, token = await holder(door)
    item = await item_for(door, peter.borger_id)
    await acquire(door, token, item)
    for headers in ({}, {KEY: "the-first-key"}):
        again = await withdraw(door, peter, consent_id, **headers)
        assert (again.status_code, again.json()) == (200, first.json())
    (row,) = await door.rows("SELECT status FROM consent WHERE consent_id = $1", newer)
    assert row["status"] == "active"
    assert await item_for(door, peter.borger_id)


async def test_a_key_used_for_another_withdrawal_is_a_conflict(door: Door) -> None:
    peter = await door.citizen()
    await withdraw(door, peter, await granted(door, peter), **{KEY: "the-first-key"})
    newer = await granted(door, peter)
    assert (await withdraw(door, peter, newer, **{KEY: "the-first-key"})).status_code == 409


async def test_a_consent_that_is_not_there_and_one_that_is_somebody_elses_cannot_be_told_apart(door: Door) -> None:
    peter, hans = await door.citizen(), await door.citizen()
    consent_id = await granted(door, peter)
    absent = await withdraw(door, hans, str(uuid4()))
    others = await withdraw(door, hans, consent_id)
    path = f"/v1/citizens/{peter.borger_id}/consents/{consent_id}:withdraw"
    not_self = await door.call("POST", path, hans.token)
    assert absent.status_code == others.status_code == not_self.status_code == 404
    assert absent.content == others.content == not_self.content
    assert await item_for(door, peter.borger_id)


async def test_a_consent_to_less_than_before_waits_as_a_withdrawal_does(door: Door) -> None:
    peter = await door.citizen()
    _, token, permit_id = await in_flight(door, peter)
    first = await door.grant(peter, key="the-narrow-key", categories=["BESKAEFTIGELSESFORLOEB"])
    again = await door.grant(peter, key="the-narrow-key", categories=["BESKAEFTIGELSESFORLOEB"])
    assert (first.status_code, again.status_code) == (202, 202)
    await settle(door, token, permit_id)
    done = await door.grant(peter, key="the-narrow-key", categories=["BESKAEFTIGELSESFORLOEB"])
    assert (done.status_code, done.json()) == (201, first.json())
    status = await door.call("GET", first.headers["Location"], peter.token)
    assert (status.status_code, status.json()["consent_id"]) == (200, first.json()["consent"]["consent_id"])
    assert (await withdraw(door, peter, first.json()["consent"]["consent_id"])).status_code == 200
    assert (await arrive(door, event(peter.borger_id, type="bif.tilbud.bevilget")))[0]["openings"] == []


async def test_a_renewed_consent_waits_for_nothing(door: Door) -> None:
    peter = await door.citizen()
    await in_flight(door, peter)
    assert (await door.grant(peter)).status_code == 201


async def test_a_withdrawals_status_is_its_citizens_only(door: Door) -> None:
    peter, hans = await door.citizen(), await door.citizen()
    body = (await withdraw(door, peter, await granted(door, peter))).json()
    path = f"/v1/citizens/{hans.borger_id}/withdrawals/{body['withdrawal_id']}"
    assert (await door.call("GET", path, hans.token)).status_code == 404


async def test_a_consent_that_ended_otherwise_is_not_withdrawn(door: Door) -> None:
    peter = await door.citizen()
    consent_id = await granted(door, peter)
    await granted(door, peter)
    assert (await withdraw(door, peter, consent_id)).status_code == 409


async def test_a_refusal_drains_as_a_withdrawal_does_and_stands_until_it_is_lifted(door: Door) -> None:
    peter = await door.citizen()
    _, token, permit_id = await in_flight(door, peter)
    answer = await refuse(door, peter)
    assert (answer.status_code, answer.json()["consent_id"]) == (202, None)
    await settle(door, token, permit_id)
    again = await refuse(door, peter)
    assert (again.status_code, again.json()["withdrawal_id"]) == (200, answer.json()["withdrawal_id"])
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] == []
    lift = f"/v1/citizens/{peter.borger_id}/refusals/{answer.json()['refusal_id']}:lift"
    lifted = await door.call("POST", lift, peter.token)
    assert lifted.status_code == 200, lifted.text
    assert (await door.call("POST", lift, peter.token)).json() == lifted.json()
    assert len((await arrive(door, event(peter.borger_id)))[0]["openings"]) == 1


async def test_a_refusal_without_waiting_is_answered_at_once(door: Door) -> None:
    peter = await door.citizen()
    await in_flight(door, peter)
    answer = await refuse(door, peter, Prefer="respond-async")
    assert (answer.status_code, answer.json()["status"]) == (202, "draining")


@pytest.mark.parametrize("field", ["purpose", "recipient_unit"])
async def test_a_refusal_of_something_unknown_names_the_field_and_what_is_known(door: Door, field: str) -> None:
    peter = await door.citizen()
    answer = await refuse(door, peter, json={field: "NO-SUCH-CODE"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert "NO-SUCH-CODE" not in answer.text
    assert answer.json()["errors"][0]["known"]


async def test_a_refusal_of_somebody_elses_cannot_be_lifted(door: Door) -> None:
    peter, hans = await door.citizen(), await door.citizen()
    refusal_id = (await refuse(door, peter)).json()["refusal_id"]
    path = f"/v1/citizens/{hans.borger_id}/refusals/{refusal_id}:lift"
    assert (await door.call("POST", path, hans.token)).status_code == 404


async def test_every_act_is_on_the_record(door: Door) -> None:
    peter = await door.citizen()
    await withdraw(door, peter, await granted(door, peter))
    await refuse(door, peter)
    entries = dict(await door.told("audit.entries"))
    for kind in ("consent.withdrawn", "refusal.recorded", "withdrawal.drained"):
        assert entries[kind]["subject"] == str(peter.borger_id)
        assert entries[kind]["retention_class"] == "consent_evidence"
    changes = [kind for kind, _ in await door.told("consent.events")]
    assert changes == ["samtykke.afgivet", "samtykke.tilbagekaldt", "samtykke.afvist"]
