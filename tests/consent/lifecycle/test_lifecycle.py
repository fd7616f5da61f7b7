"""What life does (R13): facts from the bus end consents at the decision and on the record, each event once."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.bus.cloudevents import CloudEvent, to_headers
from libs.common.bus.port import Delivery, PoisonRecordError
from libs.common.database.database import clock
from libs.common.wire.sources import topic_of
from services.consent.decision.decide import Reason, decide
from services.consent.decision.snapshot import Question
from services.consent.decision.store import load_snapshot
from services.consent.expiry.worker import sweep
from services.consent.lifecycle.consumer import LifecycleHandler
from tests.consent.world.door import Citizen, Door
from tests.consent.world.people import number

FORMER_UNTIL = date(2100, 1, 1)


async def decided(door: Door, borger_id: UUID, *, recipient: str = "SOF-BCV", category: str = "FREMMOEDE") -> Reason:
    question = Question(borger_id, "BIF-JOBINDSATS", recipient, "KOORDINERING", category)
    async with door.app.state.database.read() as session:
        return decide(question, await load_snapshot(session, [borger_id]), await clock(session)).reason


async def statuses(door: Door) -> list[tuple[str, str | None]]:
    return [tuple(row) for row in await door.rows("SELECT status, closed_reason FROM consent ORDER BY requested_at")]


async def granted(door: Door, *recipients: str) -> Citizen:
    peter = await door.citizen()
    for recipient in recipients or ("SOF-BCV",):
        answer = await door.grant(peter, recipient_unit=recipient)
        assert answer.status_code == 201
    return peter


@pytest.mark.parametrize(
    ("kind", "closed", "reason"),
    [("cpr.doedsfald", "death", Reason.DEAD), ("cpr.flytning_ud", "moved_out", Reason.MOVED_OUT)],
)
async def test_death_and_moving_out_end_everything(door: Door, kind: str, closed: str, reason: Reason):
    peter = await granted(door, "SOF-BCV", "SOF-BCH")
    epochs = await door.rows("SELECT epoch FROM scope ORDER BY recipient_unit")
    await door.happens(kind, peter.borger_id)
    assert await statuses(door) == [("closed", closed)] * 2
    assert await decided(door, peter.borger_id) is reason
    bumped = await door.rows("SELECT epoch FROM scope ORDER BY recipient_unit")
    assert [new["epoch"] - old["epoch"] for old, new in zip(epochs, bumped, strict=True)] == [1, 1]
    told = [(event, data["epoch"]) for event, data in await door.told("consent.events")][2:]
    assert sorted(told) == sorted(("samtykke.lukket", row["epoch"]) for row in bumped)


async def test_what_happens_to_somebody_else_ends_nothing(door: Door):
    peter, morten = await granted(door), await door.citizen()
    await door.happens("cpr.doedsfald", morten.borger_id)
    await door.happens("cpr.doedsfald", uuid4())
    assert await statuses(door) == [("active", None)]
    assert await decided(door, peter.borger_id) is Reason.CONSENT


async def test_the_recipients_last_closed_case_ends_its_consents_and_no_others(door: Door):
    peter = await granted(door, "SOF-BCV", "SOF-BCH")
    for reference in ("SOF-26-1", "SOF-26-2"):
        await door.happens("sof.sag.aabnet", peter.borger_id, case_reference=reference)
    await door.happens("sof.sag.lukket", peter.borger_id, case_reference="SOF-26-1")
    assert await statuses(door) == [("active", None)] * 2
    await door.happens("sof.sag.lukket", peter.borger_id, case_reference="SOF-26-2")
    assert await statuses(door) == [("closed", "case_closed"), ("active", None)]
    assert await decided(door, peter.borger_id, recipient="SOF-BCH") is Reason.CONSENT


async def test_the_holders_closed_case_ends_nothing_of_the_recipients(door: Door):
    peter = await granted(door)
    await door.happens("bif.sag.lukket", peter.borger_id, unit="BIF-JOBINDSATS", case_reference="BIF-26-1")
    assert await statuses(door) == [("active", None)]


async def test_a_case_opened_anew_revives_nothing_and_lets_a_new_consent_hold(door: Door):
    peter = await granted(door)
    opened = datetime.now(UTC)
    await door.happens("sof.sag.aabnet", peter.borger_id, case_reference="SOF-26-1", at=opened)
    await door.happens("sof.sag.lukket", peter.borger_id, case_reference="SOF-26-1", at=opened)
    await door.grant(peter)
    assert await decided(door, peter.borger_id) is Reason.CASE_CLOSED
    later = opened + timedelta(microseconds=1)
    await door.happens("sof.sag.aabnet", peter.borger_id, case_reference="SOF-26-1", at=later)
    assert await decided(door, peter.borger_id) is Reason.CONSENT
    assert [status for status, _ in await statuses(door)] == ["closed", "active"]


async def test_an_opening_that_comes_late_does_not_reopen_what_closed_after_it(door: Door):
    peter, now = await granted(door), datetime.now(UTC)
    await door.happens("sof.sag.lukket", peter.borger_id, case_reference="SOF-26-1", at=now)
    await door.happens("sof.sag.aabnet", peter.borger_id, case_reference="SOF-26-1", at=now - timedelta(days=9))
    [case] = await door.rows("SELECT closed_at FROM case_fact")
    assert case["closed_at"] == now


async def test_a_birthday_that_is_told_before_its_day_or_twice_ends_nothing(door: Door):
    today = datetime.now(UTC).date()
    child = await door.citizen(number(date(today.year - 17, 1, 1)))
    parent = await door.citizen()
    custody = {"custody_holders": (parent.borger_id,)}
    await door.happens("cpr.foraeldremyndighed_aendret", child.borger_id, **custody)
    wish = {
        "purpose": "FAMILIEINDSATS",
        "holder_unit": "SOF-BCH",
        "recipient_unit": "BIF-JOBINDSATS",
        "categories": ["BARN_SAG"],
        "affirmed_special": ["BARN_SAG"],
    }
    await door.grant(parent, child.borger_id, **wish)
    await door.happens("cpr.fylder_15", child.borger_id)
    assert await statuses(door) == [("pending_signature", None)]  # the parent is asked at 17 too
    assert (await door.grant(child, **wish)).json()["consent"]["status"] == "active"
    for _ in range(2):
        await door.happens("cpr.fylder_18", child.borger_id)
    assert await statuses(door) == [("active", None)]


# The bus's door


def delivery(kind: str, subject: str, data: dict, system: str = "domus", **said: Any) -> Delivery:
    """A record as this source writes it on its own topic; `id`, `source`, `time` and `topic` may be given."""
    event = CloudEvent(
        id=said.get("id", str(uuid4())),
        source=said.get("source", f"urn:samtykkebro:source:{system}"),
        type=kind,
        time=said.get("time", datetime.now(UTC)),
        data=json.dumps(data).encode(),
        subject=subject,
        extensions={"corrects": said["corrects"]} if "corrects" in said else {},
    )
    topic = said.get("topic", topic_of(system))
    return Delivery(topic, 0, 0, subject, to_headers(event), event.data, datetime.now(UTC))


async def consumed(door: Door, *deliveries: Delivery) -> None:
    handler = LifecycleHandler(door.app.state.signer, door.app.state.cursors, former_until=FORMER_UNTIL)
    prepared = await handler.prepare(deliveries)
    async with door.app.state.database.write() as session:
        await handler.handle(session, deliveries, prepared)


CASE = {"unit": "SOF-BCV", "case_reference": "SOF-26-1", "caseworker": "sof101"}


def test_a_life_event_has_a_transaction_of_its_own(door: Door):
    """Of 500 in one, a withdrawal of the first one's person would wait for the last."""
    handler = LifecycleHandler(door.app.state.signer, door.app.state.cursors, former_until=FORMER_UNTIL)
    assert handler.alone(delivery("cpr.doedsfald", str(uuid4()), {"unit": "CPR"}, "cpr"))
    assert not handler.alone(delivery("sof.stoette.aendret", str(uuid4()), {"unit": "SOF-BCV"}))


async def test_an_event_counts_once_however_often_it_comes(door: Door):
    peter = await granted(door)
    event = delivery("sof.sag.lukket", str(peter.borger_id), CASE)
    await consumed(door, event, event)
    await door.grant(peter)
    [before] = await door.rows("SELECT epoch FROM scope")
    await consumed(door, event)
    [after] = await door.rows("SELECT epoch FROM scope")
    assert after["epoch"] == before["epoch"]
    assert (await statuses(door))[-1] == ("active", None)


async def test_what_concerns_only_others_is_passed_over(door: Door):
    peter = await granted(door)
    await consumed(door, delivery("bif.forloeb.udeblevet", str(peter.borger_id), {"unit": "BIF-JOBINDSATS"}))
    await consumed(door, delivery("nobody.knows.this", "not an id", {"x": 1}))
    assert await statuses(door) == [("active", None)]
    assert await door.rows("SELECT 1 FROM inbox") == []


@pytest.mark.parametrize(
    ("kind", "subject", "data", "reason"),
    [
        ("sof.sag.lukket", "not an id", CASE, "no_subject"),
        ("sof.sag.lukket", "0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11", {}, "invalid_data"),
        ("sof.sag.lukket", "0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11", {"unit": "SOF-BCV"}, "no_case_reference"),
        (
            "cpr.foraeldremyndighed_aendret",
            "0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11",
            {"unit": "CPR"},
            "no_custody_holders",
        ),
    ],
)
async def test_what_cannot_be_read_is_parked_with_its_reason(
    door: Door, kind: str, subject: str, data: dict, reason: str
):
    with pytest.raises(PoisonRecordError) as poison:
        await consumed(door, delivery(kind, subject, data, "cpr" if kind.startswith("cpr") else "domus"))
    assert poison.value.reason == reason


CUSTODY = "cpr.foraeldremyndighed_aendret"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"kind": "cpr.doedsfald", "system": "fasit", "data": {"unit": "BIF-YDELSE"}}, "not_its_type"),
        ({"kind": CUSTODY, "system": "fasit", "data": {"unit": "CPR", "custody_holders": []}}, "not_its_type"),
        ({"kind": "sof.sag.lukket", "system": "fasit", "data": CASE}, "not_its_type"),
        ({"kind": "sof.sag.lukket", "system": "dubu", "data": CASE}, "not_its_unit"),
        ({"kind": "sof.sag.lukket", "source": "urn:samtykkebro:source:dubu", "data": CASE}, "not_its_source"),
        ({"kind": "sof.sag.lukket", "topic": "case.events.nobody", "data": CASE}, "unknown_source"),
        ({"kind": "sof.sag.lukket", "topic": "case.events.http", "data": CASE}, "unknown_source"),
        ({"kind": "sof.sag.lukket", "topic": "case.events", "source": "urn:kk:nobody", "data": CASE}, "unknown_source"),
        ({"kind": "sof.sag.lukket", "topic": "case.events", "system": "fasit", "data": CASE}, "not_its_type"),
    ],
)
async def test_what_is_not_its_writers_to_say_changes_nothing_and_is_parked(door: Door, record: dict, reason: str):
    peter = await granted(door)
    said = {**record}
    with pytest.raises(PoisonRecordError) as poison:
        await consumed(door, delivery(said.pop("kind"), str(peter.borger_id), said.pop("data"), **said))
    assert poison.value.reason == reason
    assert await statuses(door) == [("active", None)]
    assert await door.rows("SELECT 1 FROM inbox") == []


async def test_the_former_topic_is_read_until_its_day_by_the_cloudevents_source(door: Door):
    peter = await granted(door)
    record = delivery("sof.sag.lukket", str(peter.borger_id), CASE, topic="case.events")
    late = replace(record, timestamp=datetime.combine(FORMER_UNTIL, datetime.min.time(), UTC))
    with pytest.raises(PoisonRecordError, match="topic_closed"):
        await consumed(door, late)
    await consumed(door, record)
    assert await statuses(door) == [("closed", "case_closed")]


async def test_two_sources_may_choose_the_same_id_and_neither_uses_up_the_others(door: Door):
    peter, child = await granted(door), await door.citizen()
    death = delivery("cpr.doedsfald", str(child.borger_id), {"unit": "CPR"}, "cpr", id="1042")
    await consumed(door, death, delivery("sof.sag.lukket", str(peter.borger_id), CASE, id="1042"))
    assert await statuses(door) == [("closed", "case_closed")]
    keys = [row["source"] for row in await door.rows("SELECT source FROM inbox ORDER BY 1")]
    assert keys == ["cpr|urn:samtykkebro:source:cpr", "domus|urn:samtykkebro:source:domus"]


# Expiry on the record


async def test_an_expired_consent_is_written_down_once_and_told(door: Door):
    await granted(door, "SOF-BCV", "SOF-BCH")
    async with door.app.state.database.write() as session:
        await session.exec_driver_sql("UPDATE consent SET valid_until = now() WHERE recipient_unit = 'SOF-BCV'")
    state = door.app.state
    assert [await sweep(state.database, state.settings, state.signer) for _ in range(2)] == [1, 0]
    assert await statuses(door) == [("expired", None), ("active", None)]
    assert [kind for kind, _ in await door.told("consent.events")].count("samtykke.udloebet") == 1


async def test_a_notice_goes_out_once_for_what_is_about_to_end_and_for_nothing_else(door: Door):
    peter = await door.citizen()
    soon = (datetime.now(UTC) + timedelta(days=29)).isoformat()
    ending = (await door.grant(peter, valid_until=soon)).json()["consent"]["consent_id"]
    await door.grant(peter, recipient_unit="SOF-BCH")
    for _ in range(2):
        await sweep(door.app.state.database, door.app.state.settings, door.app.state.signer)
    told = [data["consent_id"] for kind, data in await door.told("consent.events") if kind == "samtykke.snart_udloeber"]
    assert told == [ending]
    assert await statuses(door) == [("active", None)] * 2


async def test_a_fact_that_claims_a_time_to_come_is_parked(door: Door):
    """A death or a closed case of next year would end nothing now and everything then, with nobody asking."""
    peter = await granted(door)
    record = delivery("sof.sag.lukket", str(peter.borger_id), CASE)
    with pytest.raises(PoisonRecordError, match="ahead_of_time"):
        await consumed(door, replace(record, timestamp=record.timestamp - timedelta(days=400)))
    assert await statuses(door) == [("active", None)]


@pytest.mark.parametrize(("kind", "alone"), [("cpr.doedsfald", True), ("fremmoede.registreret", False)])
def test_a_life_event_which_locks_its_persons_scopes_has_a_transaction_of_its_own(kind: str, alone: bool):
    event = CloudEvent("e1", "urn:test:source", kind, datetime(2026, 11, 1, tzinfo=UTC), b"{}")
    delivery = Delivery("case.events", 0, 0, "k", to_headers(event), event.data, datetime.now(UTC))
    assert LifecycleHandler(None, None, former_until=FORMER_UNTIL).alone(delivery) is alone
