"""What was reported wrong is corrected by its own source: decisions follow it, and nothing comes back by itself."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.bus.port import PoisonRecordError
from services.consent.decision.decide import Reason
from services.consent.lifecycle.consumer import LifecycleHandler
from tests.consent.catalogue.test_sources import ADVIS
from tests.consent.lifecycle.test_lifecycle import (
    CASE,
    CUSTODY,
    FORMER_UNTIL,
    consumed,
    decided,
    delivery,
    granted,
    statuses,
)
from tests.consent.world import issuer
from tests.consent.world.door import Citizen, Door

CPR = {"unit": "CPR"}


async def said(door: Door, kind: str, about: UUID, data: dict[str, Any], **how: Any) -> str:
    """One event of its source; its id. `corrects`: the id of the one that it corrects."""
    event_id = str(how.pop("id", uuid4()))
    system = "cpr" if kind.startswith("cpr") else "domus"
    await consumed(door, delivery(kind, str(about), data, how.pop("system", system), id=event_id, **how))
    return event_id


async def notices(door: Door) -> set[UUID]:
    return {row["borger_id"] for row in await door.rows("SELECT borger_id FROM notice WHERE kind = 'fact_corrected'")}


async def test_a_death_that_was_none_is_taken_back_and_nothing_revives_by_itself(door: Door):
    peter = await granted(door)
    death = await said(door, "cpr.doedsfald", peter.borger_id, CPR)
    assert await decided(door, peter.borger_id) is Reason.DEAD
    await said(door, "cpr.doedsfald", peter.borger_id, CPR | {"annulled": True}, corrects=death)
    assert await decided(door, peter.borger_id) is not Reason.DEAD
    assert await statuses(door) == [("closed", "death")]
    assert await notices(door) == {peter.borger_id}
    assert (await door.grant(peter)).status_code == 201
    corrected = [data for kind, data in await door.told("audit.entries") if kind == "fact.corrected"]
    assert [entry["objects"]["corrects"] for entry in corrected] == [death]


async def test_a_correction_bumps_every_scope_of_the_person(door: Door):
    peter = await granted(door)
    death = await said(door, "cpr.doedsfald", peter.borger_id, CPR)
    [before] = await door.rows("SELECT epoch FROM scope")
    await said(door, "cpr.doedsfald", peter.borger_id, CPR | {"annulled": True}, corrects=death)
    [after] = await door.rows("SELECT epoch FROM scope")
    assert after["epoch"] > before["epoch"]


async def test_a_move_is_drawn_anew_from_the_moves_that_stand(door: Door):
    peter = await granted(door)
    out = await said(door, "cpr.flytning_ud", peter.borger_id, CPR)
    assert await decided(door, peter.borger_id) is Reason.MOVED_OUT
    await said(door, "cpr.flytning_ud", peter.borger_id, CPR | {"annulled": True}, corrects=out)
    [row] = await door.rows("SELECT moved_out_on, moved_in_on FROM citizen")
    assert tuple(row) == (None, None)
    assert await statuses(door) == [("closed", "moved_out")]


async def test_custody_is_what_the_corrected_event_says_and_both_hear_of_it(door: Door):
    child, right, wrong = [await door.citizen() for _ in range(3)]
    first = await said(door, CUSTODY, child.borger_id, CPR | {"custody_holders": [str(wrong.borger_id)]})
    holders = {"custody_holders": [str(right.borger_id)]}
    await said(door, CUSTODY, child.borger_id, CPR | holders, corrects=first)
    links = await door.rows("SELECT holder FROM custody WHERE child = $1", child.borger_id)
    assert [row["holder"] for row in links] == [right.borger_id]
    assert await notices(door) == {child.borger_id, right.borger_id, wrong.borger_id}


async def test_a_case_that_was_not_closed_is_open_again_and_its_consent_stays_closed(door: Door):
    peter = await granted(door)
    await said(door, "sof.sag.aabnet", peter.borger_id, CASE)
    closed = await said(door, "sof.sag.lukket", peter.borger_id, CASE)
    assert await statuses(door) == [("closed", "case_closed")]
    await said(door, "sof.sag.lukket", peter.borger_id, CASE | {"annulled": True}, corrects=closed)
    [row] = await door.rows("SELECT opened_at, closed_at FROM case_fact")
    assert (row["opened_at"] is not None, row["closed_at"]) == (True, None)
    assert await statuses(door) == [("closed", "case_closed")]


async def _wrong(door: Door, peter: Citizen, death: str, change: dict[str, Any]) -> None:
    about = change.get("about", peter.borger_id)
    await said(door, "cpr.doedsfald", about, CPR | {"annulled": True}, corrects=death)


async def test_only_the_event_that_was_reported_is_corrected_and_once(door: Door):
    peter, other = await granted(door), await door.citizen()
    death = await said(door, "cpr.doedsfald", peter.borger_id, CPR)
    with pytest.raises(PoisonRecordError, match="corrects_unknown"):
        await _wrong(door, peter, "never-1", {})
    with pytest.raises(PoisonRecordError, match="corrects_another"):
        await _wrong(door, peter, death, {"about": other.borger_id})
    assert await decided(door, peter.borger_id) is Reason.DEAD
    await _wrong(door, peter, death, {})
    with pytest.raises(PoisonRecordError, match="corrects_unknown"):
        await _wrong(door, peter, death, {})


async def test_one_source_never_corrects_anothers_event(door: Door):
    peter = await granted(door)
    opened = await said(door, "sof.sag.aabnet", peter.borger_id, CASE)
    elsewhere = {"unit": "SOF-BCH", "case_reference": "SOF-26-1", "caseworker": "sof101", "annulled": True}
    with pytest.raises(PoisonRecordError, match="corrects_unknown"):
        await said(door, "sof.sag.aabnet", peter.borger_id, elsewhere, system="dubu", corrects=opened)
    [row] = await door.rows("SELECT opened_at FROM case_fact")
    assert row["opened_at"] is not None


@pytest.mark.parametrize(
    ("kind", "data", "corrects", "reason"),
    [
        ("cpr.doedsfald", CPR | {"annulled": True}, None, "corrects_nothing"),
        ("cpr.fylder_15", CPR, "1042", "not_correctable"),
    ],
)
async def test_a_correction_that_could_have_no_effect_is_parked(door: Door, kind, data, corrects, reason):
    how = {} if corrects is None else {"corrects": corrects}
    with pytest.raises(PoisonRecordError, match=reason):
        await said(door, kind, uuid4(), data, **how)


async def test_nothing_is_kept_of_somebody_who_is_unknown_here(door: Door):
    stranger = uuid4()
    death = await said(door, "cpr.doedsfald", stranger, CPR)
    await said(door, "cpr.doedsfald", stranger, CPR | {"annulled": True}, corrects=death)
    assert await door.rows("SELECT 1 FROM life_fact") == []


async def test_why_consent_parked_an_event_is_told_to_advis_for_its_source_until_it_is_handled(door: Door):
    peter = await granted(door)
    wrong = delivery(
        "cpr.doedsfald", str(peter.borger_id), CPR | {"annulled": True}, "cpr", id="evt-1", corrects="never-1"
    )
    record = delivery("cpr.doedsfald", str(peter.borger_id), CPR, "cpr", id="evt-1")
    handler = LifecycleHandler(door.app.state.signer, door.app.state.cursors, former_until=FORMER_UNTIL)
    broken = replace(record, headers=(), value=b"\x00")
    async with door.app.state.database.write() as session:
        await handler.parked(session, wrong, "corrects_unknown")
        await handler.parked(session, broken, "not_cloudevent")  # names nobody and nothing
    source = "urn:samtykkebro:source:cpr"

    async def asked(system: str, token: str = ADVIS) -> Any:
        body = {"system": system, "events": [{"source": source, "event_id": one} for one in ("evt-1", "evt-2")]}
        return await door.call("POST", "/v1/case-events:parked", token, json=body)

    assert (await asked("cpr")).json() == {"reasons": ["corrects_unknown", None]}
    assert (await asked("dubu")).json() == {"reasons": [None, None]}
    assert (await asked("cpr", issuer.token("source_system", client_id="cpr"))).status_code == 403
    await consumed(door, record)
    assert (await asked("cpr")).json() == {"reasons": [None, None]}
