"""A source says only what is its own: one constant refusal at the door, a named reason on the bus, nothing more."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from uuid import uuid4

import httpx2
import pytest

from libs.common.bus.port import Delivery, PoisonRecordError
from libs.common.wire.sources import Binding
from services.advis.arrivals.consumer import CaseEvents
from services.advis.consent.client import ConsentUnavailableError
from services.advis.reference.sources import Sources
from tests.advis.ingestion.test_ingestion import document
from tests.advis.world.examples import KEYS, deliveries, event, parked, sources
from tests.advis.world.reading import audit_entries, rows, value
from tests.advis.world.serving import Advis, serving

BCV = Binding(
    code="bcv",
    client_id="bcv-system",
    event_sources=("urn:kk:bcv",),
    event_types=("sof.stoette.*", "sof.sag.*"),
    units=("SOF-BCV",),
)
BCH = BCV.model_copy(
    update={"code": "bch", "client_id": "bch-system", "event_sources": ("urn:kk:bch",), "units": ("SOF-BCH",)}
)
SINCE = date(2100, 1, 1)  # long before it the former topic is read
FORM = {"content-type": "application/cloudevents+json"}


@pytest.fixture
async def door(logging_as_shipped, resources, settlements) -> AsyncIterator[Advis]:
    two = replace(resources, sources=sources(BCV, BCH))
    async with serving(two, settlements) as running:
        yield running


def said(unit: str = "SOF-BCV", **changes: object) -> dict:
    source = "urn:kk:bcv" if unit == "SOF-BCV" else "urn:kk:bch"
    return document(type="sof.stoette.aendret", source=source, data={"unit": unit}) | changes


async def hand_in(door: Advis, client: str, *events: dict) -> httpx2.Response:
    form = {"content-type": "application/cloudevents-batch+json"} if len(events) > 1 else FORM
    body = list(events) if len(events) > 1 else events[0]
    return await door.post("/v1/case-events", client, None, ("source_system",), json=body, headers=form)


CUSTODY = {"unit": "SOF-BCV", "custody_holders": [str(uuid4())]}
NOT_ITS_OWN = [
    ({"source": "urn:kk:bch"}, "not_its_source"),
    ({"type": "sof.rusmiddel.afbrudt"}, "not_its_type"),
    ({"type": "sof.ukendt.type"}, "not_its_type"),
    ({"type": "cpr.doedsfald"}, "not_its_type"),
    ({"type": "cpr.foraeldremyndighed_aendret", "data": CUSTODY}, "not_its_type"),
    ({"data": {"unit": "SOF-BCH"}}, "not_its_unit"),
    ({"data": {"unit": "BIF-NOBODY"}}, "not_its_unit"),
]


async def test_what_is_its_own_is_taken(door: Advis):
    assert (await hand_in(door, "bcv-system", said())).status_code == 202
    assert (await hand_in(door, "bch-system", said("SOF-BCH"))).status_code == 202


async def test_every_refusal_is_the_same_to_the_byte_and_on_the_record(door: Advis):
    events = [said() | change for change, _ in NOT_ITS_OWN]
    answers = [await hand_in(door, "bcv-system", one) for one in events]
    answers += [await hand_in(door, "nobody-system", said()), await hand_in(door, "bcv-system", said(), events[0])]
    assert {(answer.status_code, answer.content) for answer in answers} == {(403, answers[0].content)}
    entries = await audit_entries(door.resources.database, "event.refused")
    reasons = [reason for _, reason in NOT_ITS_OWN] + ["unknown_source", "not_its_source"]
    assert [entry["reason"] for entry in entries] == reasons
    assert {entry["outcome"] for entry in entries} == {"refused"}
    assert [entry.get("subject") for entry in entries[: len(events)]] == [one["subject"] for one in events]
    alarms = await rows(
        door.resources.database, "SELECT about, count FROM alarm WHERE code = 'source_refused' ORDER BY 1"
    )
    assert [(row.about, row.count) for row in alarms] == [("bcv-system", len(events) + 1), ("nobody-system", 1)]
    assert await value(door.resources.database, "SELECT count(*) FROM ingested") == 0
    assert await rows(door.resources.database, "SELECT 1 FROM outbox WHERE topic LIKE 'case.events%'") == []


async def test_an_unknown_type_within_its_binding_is_named_for_it(door: Advis):
    answer = await hand_in(door, "bcv-system", said(type="sof.stoette.ukendt"))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "type")


async def test_the_same_id_from_two_sources_is_two_events_and_a_conflict_is_ones_own(door: Advis):
    ours, theirs = said(), said("SOF-BCH")
    theirs["id"] = ours["id"]
    first = await asyncio.gather(hand_in(door, "bcv-system", ours), hand_in(door, "bch-system", theirs))
    assert [answer.status_code for answer in first] == [202, 202]
    assert (await hand_in(door, "bch-system", theirs)).content == first[1].content
    assert (await hand_in(door, "bch-system", theirs | {"subject": str(uuid4())})).status_code == 409
    kept = await rows(door.resources.database, "SELECT source FROM ingested ORDER BY 1")
    assert [row.source for row in kept] == ["bch|urn:kk:bch", "bcv|urn:kk:bcv"]


async def test_nobody_may_report_while_consents_word_is_not_known(resources, settlements):
    async def away():
        raise ConsentUnavailableError("away")

    async with serving(replace(resources, sources=Sources(away, parked)), settlements) as door:
        assert (await hand_in(door, "bcv-system", said())).status_code == 503


async def test_a_binding_that_ends_counts_at_once_and_an_old_word_serves_for_a_while(door: Advis):
    answers = [await sources(BCV).current(), await sources().current()]

    async def read():
        if not answers:
            raise ConsentUnavailableError("away")
        return answers.pop(0)

    known = Sources(read, parked, fresh_s=0)
    assert BCV in (await known.current()).items
    assert BCV not in (await known.current()).items
    assert BCV not in (await known.current()).items
    with pytest.raises(ConsentUnavailableError):
        await Sources(read, parked, fresh_s=0).current()
    stale = Sources(_one_then_away([await sources(BCV).current()]), parked, fresh_s=0, stale_s=-1)
    with pytest.raises(ConsentUnavailableError):
        await stale.current()


def _one_then_away(answers: list):
    async def read():
        if not answers:
            raise ConsentUnavailableError("away")
        return answers.pop()

    return read


# On the bus


def record(binding: Binding, kind: str = "sof.stoette.aendret", **changes: object) -> Delivery:
    unit = str(changes.pop("unit", binding.units[0]))
    (delivery,) = deliveries(
        [event(kind, uuid4(), unit, source=changes.pop("source", binding.event_sources[0]), **changes)],
        topic=binding.topic,
    )
    return delivery


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (record(BCV, source="urn:kk:bch"), "not_its_source"),
        (record(BCV, "cpr.doedsfald"), "not_its_type"),
        (record(BCV, unit="SOF-BCH"), "not_its_unit"),
        (record(BCV.model_copy(update={"code": "nobody"})), "unknown_source"),
    ],
)
async def test_a_record_that_is_not_its_writers_to_say_is_parked_by_name(delivery, reason, fence, reference, database):
    handler = CaseEvents(fence, reference, sources(BCV, BCH), keys=KEYS, former_until=SINCE)
    with pytest.raises(PoisonRecordError) as parked:
        await handler.prepare([delivery])
    assert parked.value.reason == reason


async def test_one_source_cannot_close_or_take_over_anothers_case(intake, database, fence, reference):
    """Whatever references it chooses: the case is known by its unit, and the unit is the other's."""
    citizen = uuid4()
    opened = event("sof.sag.aabnet", citizen, "SOF-BCV", case_reference="SOF-26-1", caseworker="sof101")
    await intake.take(opened)
    before = await rows(database, "SELECT * FROM case_registry")
    handler = CaseEvents(fence, reference, sources(BCV, BCH), keys=KEYS, former_until=SINCE)
    for step in ("aabnet", "lukket", "sagsbehandlerskift"):
        wrong = record(BCH, f"sof.sag.{step}", unit="SOF-BCV", case_reference="SOF-26-1", caseworker="sof101")
        with pytest.raises(PoisonRecordError, match="not_its_unit"):
            await handler.prepare([wrong])
    assert await rows(database, "SELECT * FROM case_registry") == before
