"""Doorbells: rung once for each permitted notification, signed, and saying nothing but that there is something."""

import asyncio
import base64
import dataclasses
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import pytest
import standardwebhooks
from aiohttp import web

from services.advis.doorbells.sender import Sender
from services.advis.doorbells.webhook import key_of
from services.advis.doorbells.worker import Doorbells
from services.advis.model.sensitivity import Sensitivity
from services.advis.reference.reference import Endpoint
from tests.advis.world.examples import PURPOSE, RECIPIENT, Intake
from tests.advis.world.reading import audit_entries, rows, states
from tests.waiting import until

SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass
class Receiver:
    """A caseworker system that checks what it gets with the public library, and answers as it is told."""

    status: int = 204
    hang: bool = False
    url: str = ""
    heard: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    rung: list[dict] = field(default_factory=list)

    async def ring(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.heard.append((body, dict(request.headers)))
        self.rung.append(standardwebhooks.Webhook(SECRET).verify(body, dict(request.headers)))
        if self.hang:
            await asyncio.Event().wait()
        return web.Response(status=self.status, headers={"location": "/elsewhere"})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Receiver"]:
        app = web.Application()
        app.router.add_post("/{path:.*}", self.ring)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}/bell".format(*runner.addresses[0][:2])
        yield self
        await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().serving() as running:
        yield running


@pytest.fixture
def with_bell(reference, receiver):
    endpoint = Endpoint(unit=RECIPIENT, url=receiver.url, secret_file="kanten", client_id="kanten-system")
    return dataclasses.replace(reference, endpoints={RECIPIENT: endpoint})


@pytest.fixture
def intake(fence, with_bell, database, consent) -> Intake:
    return Intake(fence, with_bell, database, consent)


@pytest.fixture
async def doorbells(settings, database, bell, permits, with_bell, settlements) -> AsyncIterator[Doorbells]:
    settling = asyncio.create_task(settlements.run())
    sender = Sender({RECIPIENT: key_of(SECRET)})
    yield Doorbells(settings, database, bell, permits, sender, with_bell)
    settling.cancel()
    await asyncio.gather(settling, return_exceptions=True)


async def ring(doorbells: Doorbells) -> int:
    started = await doorbells.start_due()
    await doorbells.finish()
    return started


def with_endpoint(doorbells: Doorbells, **changed: object) -> Doorbells:
    """Another worker, started after the endpoint was changed."""
    endpoint = doorbells.reference.endpoints[RECIPIENT].model_copy(update=changed)
    reference = dataclasses.replace(doorbells.reference, endpoints={RECIPIENT: endpoint})
    return dataclasses.replace(doorbells, reference=reference, _under_way={})


async def bells(database) -> list:
    return await rows(database, "SELECT * FROM doorbell ORDER BY next_attempt_at")


async def make_due(database) -> None:
    async with database.write() as session:
        await session.exec_driver_sql("UPDATE doorbell SET next_attempt_at = now()")


async def all_settled(consent, settlements) -> None:
    async def settled() -> bool:
        return bool(consent.permits) and not consent.open_permits and await settlements.finish(0)

    await until(settled)


async def test_a_notification_rings_once_and_the_receiver_can_verify_it(
    doorbells, intake, receiver, consent, settlements, database
):
    happened = await intake.advis()
    assert await ring(doorbells) == 1
    (told,) = receiver.rung
    (row,) = await bells(database)
    assert told["type"] == "advis.available"
    assert (row.state, row.attempts, str(row.doorbell_id)) == ("rung", 1, told["id"])
    await all_settled(consent, settlements)
    assert consent.outcomes() == ["disclosed"]
    (permit,) = consent.permits.values()
    assert (permit.kind, permit.actor) == ("doorbell", "kanten-system")
    (entry,) = await audit_entries(database, "disclosure.made")
    assert entry["subject"] == happened.subject
    assert await ring(doorbells) == 0


async def test_a_doorbell_carries_no_content_at_all(doorbells, intake, receiver, database):
    happened = await intake.advis()
    await ring(doorbells)
    ((body, headers),) = receiver.heard
    (notification,) = await rows(database, "SELECT * FROM notification")
    assert set(json.loads(body)) == {"id", "type", "timestamp"}
    sent = body.decode() + json.dumps(headers)
    for content in (
        *(happened.id, happened.subject, happened.type, happened.source, "RUSMIDDEL", "SOF", "BIF", PURPOSE),
        *(str(notification.notification_id), str(notification.decision_id), notification.case_reference),
        *(happened.time.isoformat()[:16], str(happened.correlationid or "-no-correlation-")),
    ):
        assert content not in sent.replace(receiver.url, "")
    assert {name.lower() for name in headers} <= {
        *("host", "accept", "accept-encoding", "user-agent", "content-type", "content-length", "connection"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }


async def test_two_doorbells_differ_in_their_random_id_and_time_alone(doorbells, intake, receiver):
    await intake.advis()
    await intake.advis(case_reference="BIF-26-1002")
    await ring(doorbells)
    first, second = (json.loads(body) for body, _ in receiver.heard)
    assert first["id"] != second["id"]
    assert len(receiver.heard[0][0]) == len(receiver.heard[1][0])


async def test_after_a_withdrawal_no_doorbell_rings_and_the_notification_is_gone(
    doorbells, intake, receiver, consent, database
):
    happened = await intake.advis()
    consent.withdraw(UUID(happened.subject), PURPOSE, RECIPIENT)
    await ring(doorbells)
    assert receiver.heard == []
    assert await states(database) == ["cancelled"]
    assert [row.state for row in await bells(database)] == ["cancelled"]


async def test_one_citizens_withdrawal_silences_no_other_doorbell(doorbells, intake, receiver, consent, database):
    gone, kept = await intake.advis(), await intake.advis(case_reference="BIF-26-1002")
    consent.withdraw(UUID(gone.subject), PURPOSE, RECIPIENT)
    await ring(doorbells)
    assert len(receiver.rung) == 1
    found = await rows(database, "SELECT event_id, d.state FROM doorbell d JOIN notification USING (notification_id)")
    assert {row.event_id: row.state for row in found} == {gone.id: "cancelled", kept.id: "rung"}


async def test_a_retry_takes_a_new_permit_and_repeats_the_same_bytes_and_id(
    doorbells, intake, receiver, consent, settlements, database
):
    await intake.advis()
    receiver.status = 503
    for _ in range(3):
        await ring(doorbells)
        await make_due(database)
    assert await ring(doorbells) == 0
    assert len(consent.permits) == 3
    assert len({body for body, _ in receiver.heard}) == 1
    assert len({headers["webhook-id"] for _, headers in receiver.heard}) == 1
    assert [(row.state, row.attempts) for row in await bells(database)] == [("given_up", 3)]
    await all_settled(consent, settlements)
    assert consent.outcomes() == ["disclosed"] * 3
    assert await states(database) == ["unread"]  # the inbox still has it


async def test_a_withdrawal_between_two_attempts_stops_the_retry(doorbells, intake, receiver, consent, database):
    happened = await intake.advis()
    receiver.status = 500
    await ring(doorbells)
    consent.withdraw(UUID(happened.subject), PURPOSE, RECIPIENT)
    await make_due(database)
    await ring(doorbells)
    assert len(receiver.heard) == 1
    assert [row.state for row in await bells(database)] == ["cancelled"]


async def test_a_receiver_that_is_gone_for_good_is_left_alone_and_a_redirect_is_not_followed(
    doorbells, intake, receiver, database
):
    await intake.advis()
    receiver.status = 307
    await ring(doorbells)
    assert len(receiver.heard) == 1
    receiver.status = 410
    await make_due(database)
    await ring(doorbells)
    assert [(row.state, row.attempts) for row in await bells(database)] == [("given_up", 2)]


async def test_a_hanging_receiver_is_cut_off_at_the_end_of_the_lease(
    doorbells, intake, receiver, consent, settlements, database
):
    await intake.advis()
    receiver.hang, consent.lease_ms = True, 300
    began = asyncio.get_running_loop().time()
    await ring(doorbells)
    assert 0.2 < asyncio.get_running_loop().time() - began < 2
    await all_settled(consent, settlements)
    assert consent.outcomes() == ["unknown"]
    assert [(row.state, row.attempts) for row in await bells(database)] == [("due", 1)]
    (entry,) = await audit_entries(database, "disclosure.unknown")
    assert entry["outcome"] == "failure"


async def test_a_disclosure_leaves_a_fifth_of_the_lease_to_the_settle(fence):
    before = time.monotonic()
    grant = await fence.acquire([])
    assert before + 4.0 <= grant.ends_at_s <= time.monotonic() + 4.0


async def test_a_receiver_that_is_not_there_was_told_nothing(doorbells, intake, consent, settlements, database):
    await intake.advis()
    await ring(with_endpoint(doorbells, url="http://127.0.0.1:1/bell"))
    for _ in range(200):
        if not consent.open_permits:
            break
        await asyncio.sleep(0.01)
    await all_settled(consent, settlements)
    assert consent.outcomes() == ["not_sent"]


async def test_a_system_whose_level_was_lowered_is_not_rung_and_its_unit_still_has_the_notification(
    doorbells, intake, receiver, consent, database
):
    await intake.advis()
    await ring(with_endpoint(doorbells, sensitivity=Sensitivity.CONFIDENTIAL))
    assert (receiver.heard, consent.permits) == ([], {})
    assert [row.state for row in await bells(database)] == ["cancelled"]
    assert await states(database) == ["unread"]


async def test_an_expired_lease_sends_nothing(doorbells, intake, receiver, consent, settlements):
    await intake.advis()
    consent.lease_ms = 0
    await ring(doorbells)
    assert receiver.heard == []
    await all_settled(consent, settlements)
    assert consent.outcomes() == ["not_sent"]


async def test_consent_out_of_reach_is_no_attempt_and_rings_nothing(doorbells, intake, receiver, consent, database):
    await intake.advis()
    consent.away = True
    await ring(doorbells)
    assert receiver.heard == []
    assert [(row.state, row.attempts) for row in await bells(database)] == [("due", 0)]
    assert await states(database) == ["unread"]
    consent.away = False
    await make_due(database)
    await ring(doorbells)
    assert len(receiver.rung) == 1


async def test_what_was_read_before_the_doorbell_rang_is_left_in_silence(
    doorbells, intake, receiver, consent, database
):
    await intake.advis()
    async with database.write() as session:
        await session.exec_driver_sql("UPDATE notification SET state = 'read'")
    await ring(doorbells)
    assert (receiver.heard, len(consent.permits)) == ([], 0)


async def test_two_workers_never_ring_the_same_bell(doorbells, intake, receiver):
    for number in range(6):
        await intake.advis(case_reference=f"BIF-26-{number}")
    other = dataclasses.replace(doorbells, _under_way={})
    await asyncio.gather(ring(doorbells), ring(other), ring(doorbells))
    assert len(receiver.rung) == len({told["id"] for told in receiver.rung}) == 6


async def test_stopping_the_worker_ends_its_attempts_and_settles_them(
    doorbells, intake, receiver, consent, settlements
):
    await intake.advis()
    receiver.hang = True
    running = asyncio.create_task(doorbells.run())

    async def heard() -> bool:
        return bool(receiver.heard)

    await until(heard)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await all_settled(consent, settlements)
    assert consent.outcomes() == ["unknown"]


async def test_a_receiver_with_the_wrong_secret_refuses_it(doorbells, intake, receiver):
    await intake.advis()
    await ring(doorbells)
    ((body, headers),) = receiver.heard
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(other).verify(body, headers)


async def test_an_endpoint_that_hangs_takes_its_share_and_no_other_endpoint_waits(
    doorbells, intake, receiver, consent, database
):
    """Five hundred wait for the one that hangs, all of them for longer; the other is rung at the next look."""
    await intake.advis()
    async with Receiver(hang=True).serving() as hanging:
        dead = Endpoint(unit="BIF-CAB", url=hanging.url, secret_file="cab", client_id="cab-system")
        endpoints = doorbells.reference.endpoints | {dead.unit: dead}
        doorbells = dataclasses.replace(
            doorbells,
            reference=dataclasses.replace(doorbells.reference, endpoints=endpoints),
            sender=Sender(dict.fromkeys(endpoints, key_of(SECRET))),
        )
        await hang_bells(database, dead.unit, 500)
        consent.lease_ms = 2_000
        share = doorbells.settings.doorbell_batch_of_endpoint
        assert await doorbells.start_due() == share + 1
        assert await doorbells.start_due() == 0, "its share is taken"

        async def is_rung() -> bool:
            return len(receiver.heard) == 1 and len(hanging.heard) == share

        await until(is_rung)
        await doorbells.finish()
        assert await doorbells.start_due() == 0, "it rests"

        async def is_tried_again() -> bool:
            return await doorbells.start_due() == share

        await until(is_tried_again)
        await doorbells.finish(cancel=True)


async def hang_bells(database, unit: str, count: int) -> None:
    """So many doorbells of `unit`, for copies of the notification that is there, due for a minute."""
    columns = (
        "decision_id, event_source, event_type, category, occurred_at, arrived_at, holder_unit, purpose, subject,"
        " case_reference, reveals, persons, state, changed_at, correlation_id, corrects, annulled"
    )
    async with database.write() as session:
        await session.exec_driver_sql(
            f"INSERT INTO notification (notification_id, event_id, recipient_unit, {columns})"
            f" SELECT gen_random_uuid(), 'e' || i, '{unit}', {columns} FROM notification, generate_series(1, {count}) i"
        )
        await session.exec_driver_sql(
            "INSERT INTO doorbell (doorbell_id, notification_id, recipient_unit, state, attempts, next_attempt_at)"
            " SELECT gen_random_uuid(), notification_id, recipient_unit, 'due', 0, now() - interval '1 minute'"
            f" FROM notification WHERE recipient_unit = '{unit}'"
        )
