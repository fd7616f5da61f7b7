"""Case events from the bus: registry, notifications, doorbells, audit entries and inbox keys, all or nothing."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from libs.common.bus.port import Bus, Replay, Topic
from libs.common.consuming.consumer import Consumer, NotYetError, PoisonRecordError
from libs.common.outbox.outbox import OutgoingRecord
from services.advis.arrivals.consumer import GROUP_CASE_EVENTS
from services.advis.cases.cases import Step
from tests import hostile
from tests.advis.world.examples import (
    CASEWORKER,
    HOLDER,
    PURPOSE,
    RECIPIENT,
    SYSTEM,
    Intake,
    case_opened,
    deliveries,
    event,
    opening,
    treatment_started,
)
from tests.advis.world.reading import audit_entries, rows, states, value
from tests.operator import parking
from tests.waiting import until

NUMBER = "91" + "0290" + "1234"  # 31 February, 60 added: nobody's

COUNT = "SELECT count(*) FROM notification"


async def test_a_consented_event_in_an_open_case_becomes_one_notification(intake, database):
    happened = await intake.advis()
    (row,) = await rows(database, "SELECT * FROM notification")
    assert (row.event_id, row.recipient_unit, row.purpose) == (happened.id, RECIPIENT, PURPOSE)
    assert (row.case_reference, row.holder_unit, row.category) == ("BIF-26-1001", HOLDER, "RUSMIDDEL")
    assert (row.state, str(row.subject), row.occurred_at) == ("unread", happened.subject, happened.time)
    assert row.reveals[0]["borger_id"] == happened.subject
    assert await value(database, "SELECT count(*) FROM doorbell") == 0  # nobody has hung one


async def test_without_an_opening_only_the_inbox_key_and_the_audit_entry_remain(intake, database):
    citizen = uuid4()
    await intake.take(case_opened(citizen), treatment_started(citizen))
    assert await value(database, COUNT) == 0
    assert await value(database, "SELECT count(*) FROM inbox") == 2
    assert [entry["type"] for entry in await audit_entries(database)] == ["event.received"] * 2


async def test_without_a_case_an_opening_becomes_nothing(intake, consent, database):
    citizen = uuid4()
    happened = treatment_started(citizen)
    consent.openings[happened.id] = [opening(citizen)]
    await intake.take(happened)
    assert await value(database, COUNT) == 0


async def test_a_closed_case_hears_nothing_more(intake, consent, database):
    citizen = uuid4()
    closed = event("bif.sag.lukket", citizen, RECIPIENT, case_reference="BIF-26-1001")
    happened = treatment_started(citizen)
    consent.openings[happened.id] = [opening(citizen)]
    await intake.take(case_opened(citizen, time=datetime.now(UTC) - timedelta(days=1)), closed, happened)
    assert await value(database, COUNT) == 0


async def test_an_opening_for_what_nobody_subscribes_to_becomes_nothing(intake, consent, database):
    citizen = uuid4()
    happened = treatment_started(citizen)
    consent.openings[happened.id] = [opening(citizen, "SOF-PSYKIATRI"), opening(citizen, purpose="KONTAKT")]
    case = event("sof.sag.aabnet", citizen, "SOF-PSYKIATRI", case_reference="SOF-26-1", caseworker="sof101")
    await intake.take(case, case_opened(citizen), happened)
    assert await value(database, COUNT) == 0


async def test_an_event_sees_the_case_changes_before_it_in_the_same_batch(intake, consent, database):
    citizen = uuid4()
    early, late = treatment_started(citizen), treatment_started(citizen)
    consent.openings |= {one.id: [opening(citizen)] for one in (early, late)}
    await intake.take(early, case_opened(citizen), late)
    assert [row.event_id for row in await rows(database, "SELECT event_id FROM notification")] == [late.id]


async def test_a_family_event_tells_about_two_and_is_recorded_about_both(intake, consent, database):
    child, parent = uuid4(), uuid4()
    happened = event("sof.boernesag.aabnet", child, "SOF-BCH")
    one = opening(parent, "BIF-JOBINDSATS", "FAMILIEINDSATS")
    about_child = one.reveals[0].model_copy(update={"borger_id": child, "category": "BARN_SAG"})
    consent.openings[happened.id] = [one.model_copy(update={"reveals": (about_child, *one.reveals)})]
    await intake.take(case_opened(parent, unit="BIF-JOBINDSATS"), happened)
    (row,) = await rows(database, "SELECT subject, persons FROM notification")
    assert (row.subject, set(row.persons)) == (parent, {child, parent})
    created = await audit_entries(database, "notification.created")
    assert {entry["subject"] for entry in created} == {str(child), str(parent)}


async def test_the_same_event_delivered_again_changes_nothing(intake, database):
    happened = await intake.advis()
    before = await audit_entries(database)
    await intake.take(happened)
    await intake.take(happened, happened)
    assert await value(database, COUNT) == 1
    assert await audit_entries(database) == before


async def test_the_same_event_twice_in_one_batch_counts_once(intake, consent, database):
    citizen = uuid4()
    happened = treatment_started(citizen)
    consent.openings[happened.id] = [opening(citizen)]
    await intake.take(case_opened(citizen), happened, happened)
    assert await value(database, COUNT) == 1


async def test_two_sources_may_use_the_same_id_for_different_events(intake, consent, database):
    citizen = uuid4()
    first = treatment_started(citizen, id="1", source="urn:test:domus")
    second = treatment_started(citizen, id="1", source="urn:test:fasit")
    consent.openings["1"] = [opening(citizen)]
    await intake.take(case_opened(citizen), first, second)
    assert await value(database, COUNT) == 2


async def test_a_notification_is_unique_even_without_the_inbox_key_and_under_concurrency(intake, consent, database):
    citizen = uuid4()
    happened = treatment_started(citizen)
    consent.openings[happened.id] = [opening(citizen)]
    await intake.take(case_opened(citizen))
    batch = deliveries([happened])
    prepared = await intake.handler.prepare(batch)

    async def forgetful() -> None:
        async with database.write() as session:
            await session.exec_driver_sql("DELETE FROM inbox WHERE event_id = $1", (happened.id,))
            await intake.handler.handle(session, batch, prepared)

    await asyncio.gather(*(forgetful() for _ in range(6)))
    assert await value(database, COUNT) == 1
    assert len(await audit_entries(database, "notification.created")) == 1


@pytest.mark.parametrize("trouble", ["not_yet", "away"])
async def test_not_yet_and_consent_out_of_reach_leave_everything_as_it_was(trouble, intake, consent, database):
    happened = treatment_started(uuid4())
    consent.not_yet.add(happened.id)
    consent.away = trouble == "away"
    with pytest.raises(NotYetError):
        await intake.take(happened)
    assert await value(database, "SELECT count(*) FROM inbox") == 0


async def test_an_event_that_consent_is_a_moment_behind_for_is_asked_about_again_alone(intake, consent, database):
    citizen = uuid4()
    early, late = treatment_started(citizen), treatment_started(citizen)
    consent.openings |= {one.id: [opening(citizen)] for one in (early, late)}
    consent.not_yet_times[late.id] = 2
    await intake.take(case_opened(citizen), early, late)
    assert await value(database, COUNT) == 2
    asked = [[item.event_id for item in call.items] for call in consent.calls["/v1/arrivals"]]
    assert asked == [[early.id, late.id], [late.id], [late.id]]


async def test_consent_is_told_when_an_event_that_is_sent_again_was_first_parked(intake, consent):
    """What was parked opens only what was covered then (docs/fence.md); what was never parked says nothing of it."""
    parked_at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    usual, again = deliveries([treatment_started(uuid4()), treatment_started(uuid4())])
    await intake.handler.prepare([usual, replace(again, replay=Replay(parked_at, again.timestamp))])
    (call,) = consent.calls["/v1/arrivals"]
    assert [item.first_parked for item in call.items] == [None, parked_at]


async def test_openings_answered_out_of_order_are_never_mixed_up(intake, consent):
    """The place ties an answer to its event: an id alone may be shared by two sources."""
    consent.shuffles = True
    with pytest.raises(NotYetError):
        await intake.handler.prepare(deliveries([treatment_started(uuid4()), treatment_started(uuid4())]))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"kind": "sof.ukendt.type"}, "unknown_type"),
        ({"unit": "not a code"}, "invalid_data"),
        ({"kind": "bif.sag.aabnet", "unit": RECIPIENT}, "no_case_reference"),
        ({"time": datetime(2099, 1, 1, tzinfo=UTC)}, "ahead_of_time"),
        *(({"id": bad}, "bad_id") for bad in ("x" * 101, f"evt{NUMBER}", f"x{NUMBER}y", "7f9c\n")),
        ({"source": f"urn:kk:fasit:person{NUMBER}"}, "bad_source"),
    ],
)
async def test_a_record_that_can_never_be_right_is_poison_with_a_code(broken, reason, intake):
    kind, unit = broken.pop("kind", "sof.rusmiddel.opstartet"), broken.pop("unit", HOLDER)
    with pytest.raises(PoisonRecordError) as refused:
        await intake.take(event(kind, uuid4(), unit, **broken))
    assert refused.value.reason == reason


async def test_a_case_reference_taken_over_by_another_citizen_is_poison(intake, database):
    await intake.take(case_opened(uuid4(), "BIF-26-5"))
    with pytest.raises(PoisonRecordError, match="case_owner_differs"):
        await intake.take(case_opened(uuid4(), "BIF-26-5"))
    assert await value(database, "SELECT count(*) FROM case_registry") == 1


async def test_the_registry_follows_the_case(intake, database):
    citizen = uuid4()
    at = datetime.now(UTC) - timedelta(hours=5)
    await intake.take(case_opened(citizen, time=at))
    handed = event(
        f"bif.sag.{Step.HANDED_OVER}",
        citizen,
        RECIPIENT,
        time=at + timedelta(hours=1),
        case_reference="BIF-26-1001",
        caseworker="bif202",
    )
    await intake.take(handed)
    (row,) = await rows(database, "SELECT * FROM case_registry")
    assert (row.caseworker, row.closed_at) == ("bif202", None)
    assert CASEWORKER != "bif202"


async def test_over_the_bus_the_position_waits_for_consent_and_poison_is_parked(
    embedded_bus: Bus, fence, reference, consent, database
):
    topics = [Topic(SYSTEM.topic, 1), Topic(f"{SYSTEM.topic}.dead-letter", 1)]
    await embedded_bus.ensure_topics(topics)
    citizen = uuid4()
    happened, poison = treatment_started(citizen), event("sof.ukendt.type", citizen, HOLDER)
    consent.openings[happened.id] = [opening(citizen)]
    consent.not_yet.add(happened.id)
    sent = deliveries([case_opened(citizen), poison, happened])
    await embedded_bus.publish([OutgoingRecord(SYSTEM.topic, str(citizen), one.headers, one.value) for one in sent])
    handler, sealing = Intake(fence, reference, database, consent).handler, parking("advis")
    consumer = Consumer(embedded_bus, database, GROUP_CASE_EVENTS, [SYSTEM.topic], handler=handler, parking=sealing)
    running = asyncio.create_task(consumer.run())

    async def asked_again() -> bool:
        return len(consent.calls["/v1/arrivals"]) > 3

    async def told() -> bool:
        return await states(database) == ["unread"]

    try:
        await until(asked_again)
        assert await states(database) == []
        assert await value(database, "SELECT coalesce(max(next_offset), 0) FROM bus_position") <= 2
        consent.not_yet.clear()
        await until(told)
        assert await value(database, "SELECT next_offset FROM bus_position") == 3
        assert await value(database, "SELECT count(*) FROM outbox WHERE topic = 'case.events.test.dead-letter'") == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_event_with_an_impossible_moment_is_poison_and_its_case_hears_the_next_ones(intake, database):
    """F04: one such event had made the case deaf, since a moment with an offset and one without do not compare."""
    citizen = uuid4()
    opened, closed = case_opened(citizen), event("bif.sag.lukket", citizen, RECIPIENT, case_reference="BIF-26-1001")
    (delivery,) = deliveries([opened])
    for moment in [one for one in hostile.MOMENTS if isinstance(one, str)]:
        headers = tuple((dict(delivery.headers) | {"ce_time": moment.encode()}).items())
        with pytest.raises(PoisonRecordError):
            await intake.handler.prepare([replace(delivery, headers=headers)])
    await intake.take(opened, closed)
    (case,) = await rows(database, "SELECT opened_at, closed_at FROM case_registry")
    assert (case.opened_at, case.closed_at) == (opened.time, closed.time)
