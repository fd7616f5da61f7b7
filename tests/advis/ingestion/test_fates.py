"""A source learns what became of its own events, and nothing of anybody else's or of anybody at all."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from libs.common.bus.cloudevents import from_delivery
from libs.common.bus.port import PoisonRecordError
from services.advis.consent.client import ConsentUnavailableError
from tests.advis.reference.test_source_binding import BCH, BCV, hand_in, said
from tests.advis.world.examples import (
    PARKED,
    SYSTEM,
    case_opened,
    deliveries,
    event,
    opening,
    sources,
    treatment_started,
)
from tests.advis.world.reading import rows
from tests.advis.world.serving import Advis, serving

WHO = ("source_system",)


@pytest.fixture
async def door(logging_as_shipped, resources, settlements) -> AsyncIterator[Advis]:
    async with serving(replace(resources, sources=sources(BCV, BCH)), settlements) as running:
        yield running


async def fate(door: Advis, event_id: str, client: str = "bcv-system", query: str = ""):
    return await door.get(f"/v1/case-events/{event_id}{query}", client, None, WHO)


async def test_what_was_taken_in_is_accepted_for_its_own_source_and_unknown_to_every_other(door: Advis):
    one = said()
    await hand_in(door, "bcv-system", one)
    answer = await fate(door, one["id"])
    expected = {"source": "urn:kk:bcv", "event_id": one["id"], "fate": "accepted", "reason": None}
    assert (answer.status_code, answer.json()) == (200, expected)
    others = [await fate(door, one["id"], "bch-system", query) for query in ("", "?source=urn:kk:bcv")]
    never = await fate(door, str(uuid4()), "bch-system")
    assert {(other.status_code, other.content) for other in others} == {(404, never.content)}
    assert (await fate(door, one["id"], "nobody-system")).status_code == 403


async def test_a_parked_record_is_told_with_its_reason_to_its_writer_alone(door: Advis, intake, database):
    (wrong,) = deliveries([event("sof.stoette.aendret", uuid4(), "SOF-BCH", source="urn:kk:bcv")], topic=BCV.topic)
    intake.handler._known = (BCV, BCH)
    async with database.write() as session:
        await intake.handler.parked(session, wrong, "not_its_unit")
    event_id = from_delivery(wrong).id
    answer = (await fate(door, event_id)).json()
    assert (answer["fate"], answer["reason"]) == ("parked", "not_its_unit")
    assert (await fate(door, event_id, "bch-system", "?source=urn:kk:bcv")).status_code == 404


@pytest.mark.parametrize(
    ("header", "content", "reason"),
    [
        (("ce_time", b"2026"), b"{}", "bad_time"),
        (("ce_note", b"x" * 2_000), b"{}", "not_cloudevent"),
        ((), b"{", "bad_data"),
    ],
)
async def test_a_record_with_one_bad_attribute_has_a_fate_by_its_name(
    door: Advis, intake, database, header: tuple[str, bytes], content: bytes, reason: str
):
    (record,) = deliveries([event("sof.stoette.aendret", uuid4(), "SOF-BCV", source="urn:kk:bcv")], topic=BCV.topic)
    headers = dict(record.headers) | dict([header] if header else [])
    broken = replace(record, headers=tuple(headers.items()), value=content)
    intake.handler._known = (BCV, BCH)
    with pytest.raises(PoisonRecordError) as refused:
        from_delivery(broken)
    async with database.write() as session:
        await intake.handler.parked(session, broken, refused.value.reason)
    answer = (await fate(door, from_delivery(record).id)).json()
    assert (answer["fate"], answer["reason"]) == ("parked", reason)


async def test_the_fate_is_the_same_whether_anybody_was_told_or_is_known(door: Advis, intake, consent):
    known, unknown = uuid4(), uuid4()
    told, untold = treatment_started(known), treatment_started(unknown)
    consent.openings[told.id] = [opening(known)]
    await intake.take(case_opened(known), told, untold)
    asked = {"events": [{"source": one.source, "event_id": one.id} for one in (told, untold)]}
    asked["events"].append({"source": told.source, "event_id": "never-1"})
    answer = await door.post("/v1/case-events:fates", SYSTEM.client_id, None, WHO, json=asked)
    fates = answer.json()["events"]
    assert [one["fate"] for one in fates] == ["accepted", "accepted", "unknown"]
    assert {frozenset(one) for one in fates} == {frozenset(fates[0])}


async def test_a_record_of_any_bytes_can_be_parked(intake, database):
    (record,) = deliveries([treatment_started(uuid4())])
    nul = replace(record, headers=(("ce_id", b"a\x00b"),), topic="case.events")
    for broken in (replace(record, value=b"\x00"), nul):
        async with database.write() as session:
            await intake.handler.parked(session, broken, "not_cloudevent")
    assert len(await rows(database, "SELECT 1 FROM parked_event")) == 1  # the one that has a name


async def test_what_only_consent_parked_is_told_as_parked_to_its_own_source(door: Advis, monkeypatch):
    one = said()
    await hand_in(door, "bcv-system", one)
    monkeypatch.setitem(PARKED, (BCV.code, one["source"], one["id"]), "corrects_unknown")
    answer = (await fate(door, one["id"])).json()
    assert (answer["fate"], answer["reason"]) == ("parked", "corrects_unknown")
    assert (await fate(door, one["id"], "bch-system", "?source=urn:kk:bcv")).status_code == 404


async def test_while_consent_is_away_no_fate_is_told(door: Advis):
    async def away(_binding, _asked):
        raise ConsentUnavailableError

    one = said()
    await hand_in(door, "bcv-system", one)
    door.resources.sources.parked = away
    assert (await fate(door, one["id"])).status_code == 503
