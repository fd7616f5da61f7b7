"""Several consents, or everything, in one act: what each becomes, what it waits for, repeating it, who may."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from services.consent.consents import store as consents_store
from services.consent.consents.consent import Consent, Status
from services.consent.drains import store as drains_store
from services.consent.drains.store import Withdrawal
from services.consent.model import errors
from services.consent.withdrawals import commands as withdrawals_commands
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.fence_door import acquire as acquire_over_http
from tests.consent.world.fence_door import arrive, event, granted, holder, in_flight, item_for, settle, withdraw
from tests.consent.world.fence_world import PURPOSE, World, a_consent
from tests.consent.world.staff import authorised

ELSEWHERE = "SOF-RUSMIDDEL"


async def everything(world: World, borger_id: UUID, *, key: str | None = None) -> Withdrawal:
    request = world.request(borger_id, key, "everything")
    return await world.write(lambda s: withdrawals_commands.withdraw_everything(s, world.signer, request))


async def these(world: World, borger_id: UUID, consents: Collection[UUID]) -> Withdrawal:
    request = world.request(borger_id)
    return await world.write(lambda s: withdrawals_commands.withdraw_consents(s, world.signer, request, consents))


async def status(world: World, consent: Consent) -> str:
    return str(await world.value("SELECT status FROM consent WHERE consent_id = $1", consent.consent_id))


async def outcomes(world: World, act: Withdrawal) -> dict[UUID, str]:
    async with world.database.read() as session:
        return {part.consent_id: part.outcome for part in await drains_store.read_parts(session, act.withdrawal_id)}


async def waiting(world: World, borger_id: UUID, status: Status, **changes: Any) -> Consent:
    """One that nobody has answered, or not everybody has signed."""
    now = datetime.now(UTC)
    made = a_consent(borger_id, now, status=status, given_at=None, valid_from=None, givers=(), **changes)
    await world.write(lambda s: consents_store.add(s, made, at=now, actor_kind="service"))
    return made


async def test_everything_that_is_open_ends_whatever_it_waits_for(world: World) -> None:
    borger_id, other = await world.citizen(), await world.citizen()
    active, theirs = await world.grant(borger_id), await world.grant(other)
    requested = await waiting(world, borger_id, Status.REQUESTED, recipient_unit=ELSEWHERE)
    pending = await waiting(world, borger_id, Status.PENDING_SIGNATURE, purpose="AFKLARING")
    act = await everything(world, borger_id)
    assert await world.drained(act)
    assert await outcomes(world, act) == {
        active.consent_id: "withdrawn",
        pending.consent_id: "withdrawn",
        requested.consent_id: "declined",
    }
    found = [await status(world, consent) for consent in (active, pending, requested, theirs)]
    assert found == ["withdrawn", "withdrawn", "declined", "active"]


async def test_it_waits_for_what_is_in_flight_in_every_scope(world: World) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.grant(borger_id)
    here = await world.item(borger_id)
    await world.acquire(holder_id, here)
    await world.grant(borger_id, recipient_unit=ELSEWHERE, holder_unit="BIF-JOBINDSATS", purpose="KOORDINERING")
    act = await everything(world, borger_id)
    assert not await world.drained(act)
    assert await world.acquire(holder_id, await world.item(borger_id)) == []
    await world.settle(holder_id, here.permit_id)
    assert await world.drained(act)
    query = "SELECT count(*) FROM withdrawal_scope WHERE withdrawal_id = $1"
    assert await world.value(query, act.withdrawal_id) == 2


async def test_with_nothing_left_to_end_it_still_waits_for_what_is_in_flight(world: World) -> None:
    """What the citizen reads from `200` is that nothing more is told; whoever ended it before."""
    borger_id, holder_id = await world.citizen(), await world.holder()
    consent = await world.grant(borger_id)
    item = await world.item(borger_id)
    await world.acquire(holder_id, item)
    await world.withdraw(consent)
    act = await everything(world, borger_id)
    assert await outcomes(world, act) == {}
    assert not await world.drained(act)
    await world.settle(holder_id, item.permit_id)
    assert await world.drained(act)


async def test_some_leave_the_others(world: World) -> None:
    borger_id = await world.citizen()
    first, second = await world.grant(borger_id), await world.grant(borger_id, recipient_unit=ELSEWHERE)
    kept = await world.grant(borger_id, holder_unit="BIF-YDELSE", categories={"FORSOERGELSE"})
    await these(world, borger_id, [first.consent_id, second.consent_id])
    assert [await status(world, item) for item in (first, second, kept)] == ["withdrawn", "withdrawn", "active"]


async def test_one_that_is_not_the_citizens_leaves_all_as_they_are(world: World) -> None:
    borger_id, other = await world.citizen(), await world.citizen()
    mine, theirs = await world.grant(borger_id), await world.grant(other)
    with pytest.raises(errors.NoSuchConsentError):
        await these(world, borger_id, [mine.consent_id, theirs.consent_id])
    assert [await status(world, mine), await status(world, theirs)] == ["active", "active"]


async def test_repeating_it_is_the_same_act_also_when_the_citizen_has_consented_anew(world: World) -> None:
    borger_id = await world.citizen()
    first = await world.grant(borger_id)
    act = await these(world, borger_id, [first.consent_id])
    keyed = await everything(world, borger_id, key="everything-1")
    newer = await world.grant(borger_id)
    assert await these(world, borger_id, [first.consent_id, first.consent_id]) == act
    assert await everything(world, borger_id, key="everything-1") == keyed
    assert await world.withdraw(first) == act
    assert await status(world, newer) == "active"


async def test_what_had_ended_is_said_to_have_ended_and_what_was_replaced_to_stand(world: World) -> None:
    borger_id = await world.citizen()
    replaced = await world.grant(borger_id)
    newer = await world.grant(borger_id)
    expired = await world.grant(borger_id, recipient_unit=ELSEWHERE)
    past = "UPDATE consent SET valid_until = clock_timestamp() WHERE consent_id = $1"
    await world.execute(past, expired.consent_id)
    act = await these(world, borger_id, [replaced.consent_id, expired.consent_id])
    assert await outcomes(world, act) == {replaced.consent_id: "replaced", expired.consent_id: "already_ended"}
    assert [await status(world, item) for item in (newer, expired)] == ["active", "expired"]
    again = await world.withdraw(expired)
    assert await world.drained(again)
    assert await outcomes(world, again) == {expired.consent_id: "already_ended"}
    assert await world.entries("samtykke.tilbagekaldt") == 0


async def test_one_that_was_only_asked_for_is_declined_by_itself_too(world: World) -> None:
    borger_id = await world.citizen()
    requested = await waiting(world, borger_id, Status.REQUESTED)
    act = await world.withdraw(requested)
    assert await outcomes(world, act) == {requested.consent_id: "declined"}
    assert await world.entries("samtykke.afvist") == 1


async def several(door: Door, by: Citizen, about: UUID | None = None, /, **sent: Any) -> httpx2.Response:
    path = f"/v1/citizens/{about or by.borger_id}/consents:withdraw"
    return await door.call("POST", path, by.token, json=sent.pop("json", {"all": True}), headers=sent)


async def test_over_http_each_has_its_receipt_in_one_chain(door: Door) -> None:
    peter = await door.citizen()
    first = await granted(door, peter)
    second = (await door.grant(peter, holder_unit="BIF-YDELSE", categories=["FORSOERGELSE"])).json()["consent"]
    answer = await several(door, peter)
    body = answer.json()
    assert (answer.status_code, body["act"], body["consent_id"], body["receipt"]) == (200, "withdrawals", None, None)
    assert {item["consent_id"] for item in body["consents"]} == {first, second["consent_id"]}
    keys = KeySet.import_key_set((await door.call("GET", "/.well-known/jwks.json")).json())
    for item in body["consents"]:
        told = jws.deserialize_compact(item["receipt"], keys, algorithms=["Ed25519"]).payload
        assert b'"event":"withdrawn"' in told
        assert item["consent_id"].encode() in told
    rows = await door.rows("SELECT sequence, event FROM receipt ORDER BY sequence")
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4]
    assert [row["event"] for row in rows][2:] == ["withdrawn", "withdrawn"]
    changes = [kind for kind, _ in await door.told("consent.events")]
    assert changes.count("samtykke.tilbagekaldt") == 2


async def test_over_http_it_is_202_until_nothing_is_in_flight(door: Door) -> None:
    peter = await door.citizen()
    consent_id, token, permit_id = await in_flight(door, peter)
    answer = await several(door, peter, Prefer="respond-async")
    assert (answer.status_code, answer.json()["status"]) == (202, "draining")
    single = await withdraw(door, peter, consent_id, Prefer="respond-async")
    assert (single.status_code, single.json()["withdrawal_id"]) == (202, answer.json()["withdrawal_id"])
    await settle(door, token, permit_id)
    assert (await door.call("GET", answer.headers["Location"], peter.token)).status_code == 200
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] == []


async def test_one_key_is_one_act(door: Door) -> None:
    peter = await door.citizen()
    await granted(door, peter)
    first = await several(door, peter, **{KEY: "withdraw-all-1"})
    newer = await granted(door, peter)
    assert (await several(door, peter, **{KEY: "withdraw-all-1"})).json() == first.json()
    other = await several(door, peter, json={"consent_ids": [newer]}, **{KEY: "withdraw-all-1"})
    assert other.status_code == 409
    (row,) = await door.rows("SELECT status FROM consent WHERE consent_id = $1", newer)
    assert row["status"] == "active"


@pytest.mark.parametrize(
    "body", [{}, {"all": False}, {"all": True, "consent_ids": [str(uuid4())]}, {"consent_ids": []}, {"reason": "why"}]
)
async def test_it_is_either_some_or_all_and_no_reason_is_taken(door: Door, body: dict[str, Any]) -> None:
    peter = await door.citizen()
    assert (await several(door, peter, json=body)).status_code == 422


async def test_nobody_ends_anothers(door: Door) -> None:
    peter, hans = await door.citizen(), await door.citizen()
    consent_id = await granted(door, peter)
    assert (await several(door, hans, peter.borger_id)).status_code == 404
    unknown = await several(door, hans, json={"consent_ids": [str(uuid4())]})
    assert (await several(door, hans, json={"consent_ids": [consent_id]})).json() == unknown.json()
    assert unknown.status_code == 404
    assert (await arrive(door, event(peter.borger_id)))[0]["openings"] != []


async def test_a_representative_for_some_purposes_ends_what_is_theirs(door: Door) -> None:
    peter, attorney = await door.citizen(), await door.citizen()
    first = await granted(door, peter)
    other = (
        await door.grant(
            peter,
            purpose="BOLIG_FOREBYGGELSE",
            holder_unit="BIF-YDELSE",
            recipient_unit="SOF-BOLIGRAADGIVNING",
            categories=["FORSOERGELSE"],
        )
    ).json()["consent"]["consent_id"]
    await authorised(door, peter, attorney, purposes=[PURPOSE])
    answer = await several(door, attorney, peter.borger_id)
    assert [item["consent_id"] for item in answer.json()["consents"]] == [first]
    assert (await several(door, attorney, peter.borger_id, json={"consent_ids": [other]})).status_code == 404
    (row,) = await door.rows("SELECT status FROM consent WHERE consent_id = $1", other)
    assert row["status"] == "active"


async def test_after_it_a_new_consent_counts_for_what_arrives_from_then_on(door: Door) -> None:
    peter = await door.citizen()
    await granted(door, peter)
    before = await item_for(door, peter.borger_id)
    await several(door, peter)
    await granted(door, peter)
    _, token = await holder(door)
    assert (await acquire_over_http(door, token, before)).json()["granted"] == []
    after = await item_for(door, peter.borger_id)
    assert len((await acquire_over_http(door, token, after)).json()["granted"]) == 1
