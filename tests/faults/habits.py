"""The loops: what each actor does over and over while the run is on."""

import asyncio
import socket
from contextlib import suppress
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2

from tests.faults.actors import CERTAIN, CONTENDED, EMIT_EVERY_S, EVENTS, READERS, STEADY, SYSTEMS, Company, Key

RENEW_EVERY_S = 6.0
OPEN_S, CLOSED_S, UNUSED_S, USED_SHARE = 0.5, 0.5, 4.0, 0.8
SLOW_READ_S = 8.0
SLOW_BYTES = 512
CLUMSY_EVERY_S = 0.7
NAME_CANARY = "Kanariefugl Vilhelmsen-Nørgård"


async def everybody(company: Company) -> None:
    """All of them together, until `company.over`; then each finishes what it has begun."""
    async with asyncio.TaskGroup() as group:
        for key in CONTENDED:
            group.create_task(_contend(company, key), name=f"{key.citizen} {key.recipient}")
        for reader in (*READERS, "bif101", *SYSTEMS):
            group.create_task(_read(company, reader))
        for source in EVENTS:
            group.create_task(_emit(company, source))
        group.create_task(_renew(company))
        group.create_task(_read_slowly(company, "kanten-system"))
        group.create_task(_be_clumsy(company))


async def _contend(company: Company, key: Key) -> None:
    if key.way == "refuse":
        await company.grant(key)
    while not company.over.is_set():
        if key.way == "refuse":
            await _in_use(company, key)
            refusal_id = await company.refuse(key)
            await company.moment(CLOSED_S)
            await company.lift(key, refusal_id)
            continue
        consent_id = await company.grant(key)
        await _in_use(company, key)
        await company.withdraw(key, consent_id)
        await company.moment(CLOSED_S)


async def _in_use(company: Company, key: Key) -> None:
    """As long as a consent lasts: mostly until it was used, so that withdrawals meet disclosures under way."""
    if company.rng.random() < USED_SHARE:
        await company.until_shown(key, UNUSED_S)
    await company.moment(OPEN_S)


async def _renew(company: Company) -> None:
    """Renewing is no break (P3)."""
    while not company.over.is_set():
        await company.moment(RENEW_EVERY_S)
        await company.grant(company.rng.choice(CERTAIN))


async def _emit(company: Company, source: str) -> None:
    while not company.over.is_set():
        await company.emit(source, company.events_about_everybody(source))
        await company.moment(2 * EMIT_EVERY_S)


async def _read(company: Company, reader: str) -> None:
    steady = {reference for (name, _), reference in company.cases.items() if name == STEADY}
    while not company.over.is_set():
        page = await company.read(reader)
        for item in page["items"] if page else ():
            certain = item["case_reference"] in steady
            if company.rng.random() < (0.5 if certain else 0.1):
                await company.act(reader, item, "handle" if certain else "open")
        await company.moment(0.4 if page else 0.8)


async def _read_slowly(company: Company, reader: str) -> None:
    """A reader behind a thin line: a few bytes at a time, into a receive buffer that holds next to nothing."""
    voice = company.readers[reader]
    where = urlsplit(voice.url)
    while not company.over.is_set():
        await company.moment(4.0)
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
        line.setblocking(False)
        loop = asyncio.get_running_loop()
        asked = company.history.note(reader, "slow-read", "invoke", unit=SYSTEMS[reader])
        got = 0
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(SLOW_READ_S):
                await loop.sock_connect(line, (where.hostname, where.port))
                words = (
                    "GET /v1/inbox?limit=50 HTTP/1.1",
                    "host: advis",
                    f"authorization: Bearer {await voice.token()}",
                )
                head = "\r\n".join(words) + "\r\n\r\n"
                await loop.sock_sendall(line, head.encode())
                while (some := await loop.sock_recv(line, SLOW_BYTES)) and not company.over.is_set():
                    got += len(some)
                    await asyncio.sleep(0.05)
        line.close()
        company.history.note(reader, "slow-read", "ok", unit=SYSTEMS[reader], asked=asked, bytes=got)


async def _be_clumsy(company: Company) -> None:
    """Puts personal numbers and a name where none belongs: whatever is answered, none may be found again (P10)."""
    numbers = sorted(company.system.cpr_numbers.values())
    while not company.over.is_set():
        number = company.rng.choice(numbers)
        number = company.rng.choice((number, f"{number[:6]}-{number[6:]}"))
        citizen, reader, source = company.citizens["peter"], company.readers["bif101"], company.sources["domus"]
        event = company.events_about_everybody("domus")[0] | {"id": str(uuid4())}
        marked = {"x-correlation-id": number, "user-agent": NAME_CANARY.encode("ascii", "replace").decode()}
        single = {"content-type": "application/cloudevents+json", **marked}
        calls = (
            (citizen, "GET", f"/v1/citizens/{number}/consents", None, marked),
            (citizen, "POST", f"/v1/citizens/{company.borger['peter']}/consents", {"purpose": NAME_CANARY}, marked),
            (reader, "GET", f"/v1/inbox?case_reference={number}", None, marked),
            (reader, "GET", f"/v1/inbox/{number}", None, marked),
            (source, "POST", "/v1/case-events", event | {"id": number}, single),
            (source, "POST", "/v1/case-events", event | {"data": {"unit": "SOF-BCV", "name": NAME_CANARY}}, single),
            (source, "POST", "/v1/case-events", event | {"subject": number}, single),
        )
        for voice, *asked in calls:
            with suppress(httpx2.TransportError):
                response = await voice.call(*asked)
                company.history.note("clumsy", "clumsy", "ok", status=response.status_code)
        await company.moment(2 * CLUMSY_EVERY_S)
