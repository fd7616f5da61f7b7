"""Advis and the real consent service together: one citizen's yes, its use, and its end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from libs.common.consuming.consumer import NotYetError
from libs.common.http.client import ServiceClient
from services.advis.arrivals.consent_consumer import ConsentEvents
from services.advis.consent.client import Fence
from services.advis.disclosure.permits import Permits
from services.advis.disclosure.settlements import Settlements
from services.advis.resources import Resources
from services.advis.settings import Settings
from tests.advis.disclosure.test_disclosure import read_all
from tests.advis.world.examples import (
    CASEWORKER,
    HOLDER,
    PURPOSE,
    RECIPIENT,
    Intake,
    case_opened,
    consent_changed,
    sources,
)
from tests.advis.world.examples import treatment_started as started
from tests.advis.world.reading import audit_entries, states
from tests.advis.world.serving import Advis, serving
from tests.consent.world.door import Citizen, Door, opened, write_keys
from tests.consent.world.fence_door import ADVIS, holder, supervisor, withdraw
from tests.servers import TestDatabase
from tests.waiting import until

ME = (CASEWORKER, RECIPIENT)
SLOT = "up/advis-api"


@dataclass
class Both:
    """The two services, the holder that advis is, and one citizen who has a case."""

    consent: Door
    advis: Advis
    intake: Intake
    holder_id: Any
    hans: Citizen

    async def grant(self, **changes: Any) -> str:
        answer = await self.consent.grant(
            self.hans,
            holder_unit=HOLDER,
            recipient_unit=RECIPIENT,
            categories=["RUSMIDDEL"],
            affirmed_special=["RUSMIDDEL"],
            **changes,
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["consent"]["consent_id"])

    async def inbox(self) -> list[dict[str, Any]]:
        answer = await self.advis.get("/v1/inbox", *ME)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def permits(self) -> dict[str, int]:
        rows = await self.consent.rows("SELECT state, count(*) AS n FROM permit GROUP BY 1")
        return {row["state"]: row["n"] for row in rows}

    async def settled(self) -> None:
        async def none_open() -> bool:
            return not (await self.permits()).get("open") and await self.advis.settlements.finish(0)

        await until(none_open)


@pytest.fixture
async def both(
    consent_database: TestDatabase,
    tmp_path: Path,
    settings: Settings,
    database,
    bell,
    reference,
    logging_as_shipped,
) -> AsyncIterator[Both]:
    write_keys(tmp_path)
    async with opened(consent_database.url, tmp_path) as door:
        await door.rows("INSERT INTO bus_position VALUES ('case.events.test', 0, 1000)")
        holder_id, token = await holder(door, SLOT)
        network = httpx2.ASGITransport(app=door.app)
        async with (
            ServiceClient("https://consent.test", bearer=token, transport=network) as as_holder,
            ServiceClient("https://consent.test", bearer=ADVIS, transport=network) as as_advis,
        ):
            fence = Fence(as_holder, as_advis, lease_ms=1_000)
            settlements = Settlements(fence, database, bell)
            resources = Resources(settings, database, bell, reference, Permits(fence, settlements), sources())
            hans = await door.citizen()
            async with serving(resources, settlements) as advis:
                yield Both(door, advis, Intake(fence, reference, database, None), holder_id, hans)  # type: ignore[arg-type]


async def test_with_consent_the_caseworker_is_told_and_the_citizen_sees_it(both: Both):
    consent_id = await both.grant()
    await both.intake.take(case_opened(both.hans.borger_id), started(both.hans.borger_id))
    (item,) = await both.inbox()
    assert (item["purpose"], item["category"], item["consents"]) == (PURPOSE, "RUSMIDDEL", [consent_id])
    await both.settled()
    assert await both.permits() == {"settled": 1}
    path = f"/v1/citizens/{both.hans.borger_id}/uses"
    uses = (await both.consent.call("GET", path, both.hans.token)).json()
    assert RECIPIENT in str(uses)
    assert CASEWORKER not in str(uses)
    made = await audit_entries(both.advis.resources.database, "disclosure.made")
    permitted = [data for kind, data in await both.consent.told("audit.entries") if kind == "disclosure.permitted"]
    assert [entry["objects"]["permit_id"] for entry in made] == [entry["objects"]["permit_id"] for entry in permitted]


async def test_without_consent_the_world_is_that_without_the_event(both: Both):
    await both.intake.take(case_opened(both.hans.borger_id), started(both.hans.borger_id))
    assert await both.inbox() == []
    assert await states(both.advis.resources.database) == []


async def test_after_the_withdrawal_is_answered_nothing_is_disclosed(both: Both):
    consent_id = await both.grant()
    await both.intake.take(case_opened(both.hans.borger_id), started(both.hans.borger_id))
    (item,) = await both.inbox()
    await both.settled()
    assert (await withdraw(both.consent, both.hans, consent_id)).status_code == 200
    known = f"/v1/inbox/{item['notification_id']}"
    answers = [await both.advis.get(known, *ME), await both.advis.post(f"{known}:handle", *ME)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert await both.inbox() == []
    assert await states(both.advis.resources.database) == ["cancelled"]
    await both.grant()  # a new yes does not bring back what the old one covered
    assert await both.inbox() == []


async def test_renewing_is_no_break(both: Both):
    await both.grant()
    await both.intake.take(case_opened(both.hans.borger_id), started(both.hans.borger_id))
    renewed = await both.grant()
    (item,) = await both.inbox()
    assert item["consents"] == [renewed]


async def test_a_consent_event_after_a_withdrawal_cancels_what_was_never_opened(both: Both):
    consent_id = await both.grant()
    await both.intake.take(case_opened(both.hans.borger_id), started(both.hans.borger_id))
    resources = both.advis.resources
    handler = ConsentEvents(resources.database, resources.permits)
    told = [consent_changed(both.hans.borger_id)]
    assert await handler.prepare(told) == []
    await withdraw(both.consent, both.hans, consent_id)
    refused = await handler.prepare(told)
    async with resources.database.write() as session:
        await handler.handle(session, told, refused)
    assert await states(resources.database) == ["cancelled"]


async def test_an_event_that_consent_has_not_come_to_waits(both: Both):
    await both.consent.rows("UPDATE bus_position SET next_offset = 0")
    with pytest.raises(NotYetError):
        await both.intake.take(case_opened(both.hans.borger_id), started(both.hans.borger_id))


async def test_a_holder_confirmed_dead_shows_nothing_and_cancels_nothing(both: Both):
    await both.grant()
    await both.intake.take(case_opened(both.hans.borger_id), started(both.hans.borger_id))
    path = f"/v1/holders/{both.holder_id}:dead"
    confirmed = await both.consent.call("POST", path, supervisor(), json={"proof": "reaped"})
    assert confirmed.status_code == 204
    assert (await both.advis.get("/v1/inbox", *ME)).status_code == 503
    assert await states(both.advis.resources.database) == ["unread"]


async def test_a_withdrawal_waits_for_a_slow_reader_and_no_byte_comes_after_its_answer(both: Both):
    consent_id = await both.grant()
    who = both.hans.borger_id
    await both.intake.take(case_opened(who), *(started(who) for _ in range(60)))
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", both.advis.port))
    bearer = both.advis.bearer(ME)["authorization"]
    reader.sendall(f"GET /v1/inbox?limit=60 HTTP/1.1\r\nhost: advis\r\nauthorization: {bearer}\r\n\r\n".encode())
    reader.setblocking(False)
    loop = asyncio.get_running_loop()
    assert (await loop.sock_recv(reader, 12)).startswith(b"HTTP/1.1 200")
    assert await both.permits() == {"open": 60}
    pending = await withdraw(both.consent, both.hans, consent_id, prefer="respond-async")
    assert pending.status_code == 202
    status = pending.headers["location"]

    async def drained() -> bool:
        return (await both.consent.call("GET", status, both.hans.token)).status_code == 200

    await until(drained)
    assert await both.permits() == {"settled": 60}
    outcomes = await both.consent.rows("SELECT DISTINCT outcome FROM permit")
    assert [row["outcome"] for row in outcomes] == ["unknown"]
    received, reset = await read_all(reader)
    assert reset
    assert received < 20_000  # of some 40,000: what the reader's own kernel had before the cut
