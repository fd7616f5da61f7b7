"""Consent events decide nothing: they make advis ask again, and what would be refused is taken away."""

from uuid import UUID, uuid4

import pytest

from libs.common.consuming.consumer import NotYetError, PoisonRecordError
from libs.common.wire.messages import CONSENT_EVENTS
from services.advis.arrivals.consent_consumer import ConsentEvents
from tests.advis.world.examples import (
    PURPOSE,
    RECIPIENT,
    case_opened,
    consent_changed,
    deliveries,
    event,
    in_transaction,
    opening,
)
from tests.advis.world.reading import audit_entries, rows, states, value

PREVIEW = "/v1/permits:preview"


@pytest.fixture
def hears(database, permits):
    handler = ConsentEvents(database, permits)

    async def hear(*batch) -> None:
        prepared = await handler.prepare(batch)
        await in_transaction(database, handler, batch, prepared)

    return hear


async def test_what_would_be_refused_is_cancelled_and_nothing_else(hears, intake, consent, database):
    gone, kept = await intake.advis(), await intake.advis(case_reference="BIF-26-1002")
    consent.withdraw(UUID(gone.subject), PURPOSE, RECIPIENT)
    await hears(consent_changed(UUID(gone.subject)), consent_changed(UUID(kept.subject)))
    found = {row.event_id: row.state for row in await rows(database, "SELECT event_id, state FROM notification")}
    assert found == {gone.id: "cancelled", kept.id: "unread"}
    (entry,) = await audit_entries(database, "notification.cancelled")
    assert entry["subject"] == gone.subject


async def test_an_event_of_another_scope_asks_about_nothing(hears, intake, consent, database):
    happened = await intake.advis()
    consent.withdraw(UUID(happened.subject), PURPOSE, RECIPIENT)
    await hears(consent_changed(UUID(happened.subject), recipient="BIF-CAB"), consent_changed(uuid4()))
    assert consent.calls[PREVIEW] == []
    assert await states(database) == ["unread"]


@pytest.mark.parametrize("kind", ["samtykke.afgivet", "samtykke.snart_udloeber", "samtykke.udloebet"])
async def test_the_kind_of_the_event_decides_nothing(kind, hears, intake, consent, database):
    happened = await intake.advis()
    await hears(consent_changed(UUID(happened.subject), kind))
    assert await states(database) == ["unread"]
    consent.withdraw(UUID(happened.subject), PURPOSE, RECIPIENT)
    await hears(consent_changed(UUID(happened.subject), kind))
    assert await states(database) == ["cancelled"]


async def test_either_persons_withdrawal_takes_a_family_notification_away(hears, intake, consent, database):
    child, parent = uuid4(), uuid4()
    happened = event("sof.boernesag.aabnet", child, "SOF-BCH")
    one = opening(parent, "BIF-JOBINDSATS", "FAMILIEINDSATS")
    about_child = one.reveals[0].model_copy(update={"borger_id": child, "category": "BARN_SAG"})
    consent.openings[happened.id] = [one.model_copy(update={"reveals": (about_child, *one.reveals)})]
    await intake.take(case_opened(parent, unit="BIF-JOBINDSATS"), happened)
    consent.withdraw(child, "FAMILIEINDSATS", "BIF-JOBINDSATS")
    told = consent_changed(child, recipient="BIF-JOBINDSATS")
    family = told.value.replace(PURPOSE.encode(), b"FAMILIEINDSATS")
    await hears(type(told)(told.topic, 0, 0, told.key, told.headers, family, told.timestamp))
    assert await states(database) == ["cancelled"]
    assert len(await audit_entries(database, "notification.cancelled")) == 2


async def test_redelivery_cancels_nothing_twice(hears, intake, consent, database):
    happened = await intake.advis()
    consent.withdraw(UUID(happened.subject), PURPOSE, RECIPIENT)
    told = consent_changed(UUID(happened.subject))
    for _ in range(2):
        await hears(told)
    assert len(await audit_entries(database, "notification.cancelled")) == 1


async def test_consent_out_of_reach_leaves_the_position_and_the_notification(hears, intake, consent, database):
    happened = await intake.advis()
    consent.away = True
    with pytest.raises(NotYetError):
        await hears(consent_changed(UUID(happened.subject)))
    assert await states(database) == ["unread"]


async def test_more_notifications_than_fit_in_one_question_are_all_asked_about(hears, consent, database):
    citizen = uuid4()
    insert = """
        INSERT INTO notification (notification_id, decision_id, event_source, event_id, event_type, occurred_at,
            arrived_at, holder_unit, recipient_unit, purpose, subject, case_reference, reveals, persons, state,
            changed_at)
        SELECT gen_random_uuid(), gen_random_uuid(), 'urn:test', n::text, 'sof.rusmiddel.opstartet', now(), now(),
            'SOF-RUSMIDDEL', $2, $3, $1, 'BIF-26-1',
            jsonb_build_array(jsonb_build_object('borger_id', $1::uuid, 'category', 'RUSMIDDEL', 'epoch', 1)),
            ARRAY[$1::uuid], 'unread', now() FROM generate_series(1, 1200) n"""
    async with database.write() as session:
        await session.exec_driver_sql(insert, (citizen, RECIPIENT, PURPOSE))
    consent.withdraw(citizen, PURPOSE, RECIPIENT)
    await hears(consent_changed(citizen))
    assert await value(database, "SELECT count(*) FROM notification WHERE state = 'cancelled'") == 1200
    assert [len(call.items) for call in consent.calls[PREVIEW]] == [500, 500, 200]


async def test_a_type_that_is_new_to_us_is_passed_over_and_a_broken_record_is_poison(hears, database):
    await hears(consent_changed(uuid4(), "samtykke.nyt"))
    broken = deliveries([event("samtykke.tilbagekaldt", uuid4(), "X")], topic=CONSENT_EVENTS)[0]
    with pytest.raises(PoisonRecordError, match="invalid_data"):
        await hears(broken)
    assert await value(database, "SELECT count(*) FROM inbox") == 1
