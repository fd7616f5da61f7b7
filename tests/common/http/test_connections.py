"""What a connection may cost before anybody is known, over real sockets; others are served meanwhile."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from prometheus_client.samples import Sample

from libs.common.http import connection
from libs.common.http.admission import Limits
from libs.common.http.connection import BoundedProtocol
from libs.common.http.door import Router
from libs.common.observing.metrics import REFUSALS
from libs.common.service.app import create_app

LIMITS = Limits(
    head_bytes_max=4_096, headers_max=20, url_bytes_max=512, connections_max=8, head_timeout_s=0.3, body_timeout_s=0.3
)
router = Router()


@router.get("/quick")
async def quick() -> dict[str, bool]:
    return {"done": True}


@router.post("/length")
async def length(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@router.post("/unread")
async def unread() -> dict[str, bool]:
    return {"done": True}


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server with the limits above."""
    async with _server(LIMITS) as number:
        yield number


@asynccontextmanager
async def _server(limits: Limits) -> AsyncIterator[int]:
    """A server on a free port of this loop."""
    app = create_app(title="Door", service="door", lifespan=_nothing, routers=[router], limits=limits)
    protocol: Any = type("Protocol", (BoundedProtocol,), {"limits": limits})
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, ws="none"))
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0)
    yield listening.getsockname()[1]
    server.should_exit = server.force_exit = True
    await task


async def _served(port: int) -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/quick")).json() == {"done": True}


async def _answer(port: int, *sent: bytes) -> bytes:
    """All that comes back until the server closes; a reset after an answer is a close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            while piece := await reader.read(65_536):
                got += piece
    except ConnectionError:
        pass
    finally:
        writer.close()
    return got


def _refusals() -> list[Sample]:
    (family,) = REFUSALS.collect()
    return [sample for sample in family.samples if sample.name.endswith("_total")]


HEAD = b"GET /quick HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"a: " + b"x" * 5_000 + b"\r\n\r\n", b"431"),
        (HEAD + b"a: " + b"x" * 50_000, b"431"),  # one field without an end
        (HEAD + b"".join(b"a%d: 1\r\n" % n for n in range(30)) + b"\r\n", b"431"),
        (HEAD + b"a: 1\r\n" * 20_000, b"431"),
        (b"GET /" + b"x" * 600 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET /" + b"x" * 50_000, b"431"),
        (HEAD + b"Host: y\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"400"),
        (b"GET /quick HTTP/1.1\r\n\r\n", b"400"),  # RFC 9112 §3.2
    ],
)
async def test_a_head_beyond_its_bounds_is_refused_as_a_problem_and_closed(port: int, sent: bytes, status: bytes):
    before = sum(sample.value for sample in _refusals())
    got = await _answer(port, sent)
    assert got.startswith(b"HTTP/1.1 " + status)
    assert sum(sample.value for sample in _refusals()) == before + 1, "it is counted, once"
    assert b"application/problem+json" in got
    assert b"connection: close" in got
    await _served(port)


@pytest.mark.parametrize("start", [b"", b"\r\n", b"G", HEAD, HEAD + b"a: "])
async def test_a_head_that_does_not_come_in_time_is_closed_and_others_are_served(port: int, start: bytes) -> None:
    slow = asyncio.get_running_loop().create_task(_answer(port, start))
    await _served(port)
    got = await slow
    assert got == b"" if not start else got.startswith(b"HTTP/1.1 408")


async def test_a_head_that_drips_is_closed_in_time(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def drip() -> None:
        for byte in HEAD * 10:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    dripping = asyncio.get_running_loop().create_task(drip())
    async with asyncio.timeout(5):
        assert (await reader.read(100)).startswith(b"HTTP/1.1 408")
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    writer.close()


CHUNKED = b"POST /length HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_what_follows_a_body_is_no_field_of_the_request(port: int) -> None:
    trailer = b"Content-Encoding: gzip\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n"
    got = await _answer(port, CHUNKED + b"1\r\nx\r\n0\r\n" + trailer + b"\r\n")
    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b'{"bytes":1}')


@pytest.mark.parametrize("endless", [b"a: 1\r\n", b"a" * 100], ids=["fields", "one field"])
@pytest.mark.parametrize("before", [b"0\r\n", b"1;"], ids=["trailers", "extension"])
async def test_what_frames_a_body_is_bounded_as_a_head_is(port: int, before: bytes, endless: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(CHUNKED + before)
    sent = 0
    with suppress(ConnectionError):
        while sent < 40 * LIMITS.head_bytes_max and not reader.at_eof():
            writer.write(endless * 20)
            await writer.drain()
            sent += 20 * len(endless)
            await asyncio.sleep(0)
    writer.close()
    assert sent < 40 * LIMITS.head_bytes_max
    await _served(port)


async def test_a_body_in_chunks_of_one_byte_is_within_the_bound(port: int) -> None:
    got = await _answer(port, CHUNKED + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
    assert got.endswith(b'{"bytes":20000}')


async def test_a_body_that_does_not_come_in_time_is_408_and_others_are_served(port: int) -> None:
    head = b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    slow = asyncio.get_running_loop().create_task(_answer(port, head, b"x"))
    await _served(port)
    got = await slow
    assert got.startswith(b"HTTP/1.1 408")
    assert b"urn:samtykkebro:problem:request-timeout" in got


async def test_a_body_that_nobody_reads_does_not_hold_its_connection(port: int, monkeypatch) -> None:
    monkeypatch.setattr(connection, "UNREAD_BODY_S", 0.1)
    got = await _answer(port, b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", b"x")
    assert got.startswith(b"HTTP/1.1 200")
    whole = b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):  # one that ends leaves the connection open
        writer.write(whole)
        assert b"200 OK" in await reader.readuntil(b"}")
    writer.close()


async def test_a_second_head_that_does_not_come_in_time_is_closed_too(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"\r\n")
    assert b"200 OK" in await reader.readuntil(b"}")
    writer.write(HEAD)
    async with asyncio.timeout(5):
        assert (await reader.read(100)).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_beyond_the_limit_the_longest_idle_connection_makes_room() -> None:
    """Silent connections do not keep anybody out, and one that is being answered is not closed for another."""
    async with _server(Limits(connections_max=4, head_timeout_s=60, body_timeout_s=60)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        await writer.drain()
        await _served(port)  # what was sent before it has been read
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        async with asyncio.timeout(5):
            for oldest, _ in silent[:5]:
                with suppress(ConnectionResetError):
                    assert await oldest.read(1) == b""
        await _served(port)
        writer.write(b"cd")
        assert b'{"bytes":4}' in await reader.readuntil(b"}")
        for _, other in [*silent, (reader, writer)]:
            other.close()


@pytest.mark.parametrize("more", [0, 1])
async def test_the_bounds_of_an_address_and_of_fields_are_exact(port: int, more: int) -> None:
    address = b"/" + b"x" * (LIMITS.url_bytes_max - 1 + more)
    answer = await _answer(port, b"GET " + address + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] == (b"404", b"414")[more]
    fields = b"".join(b"a%d: 1\r\n" % n for n in range(LIMITS.headers_max - 2 + more))  # beside Host and Connection
    answer = await _answer(port, HEAD + b"Connection: close\r\n" + fields + b"\r\n")
    assert answer.split()[1] == (b"200", b"431")[more]


async def test_a_peer_that_takes_nothing_is_cut() -> None:
    """The protocol's own clock, without a megabyte in the kernel's buffers."""

    class Transport(asyncio.Transport):
        aborted = asyncio.Event()

        def get_extra_info(self, _name: str, default: Any = None) -> Any:
            return default

        def abort(self) -> None:
            self.aborted.set()

        def close(self) -> None:
            pass

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        return None

    protocol: Any = type("Protocol", (BoundedProtocol,), {"limits": Limits(write_timeout_s=0.01)})
    config = uvicorn.Config(app, log_config=None)
    config.load()
    one = protocol(config, uvicorn.Server(config).server_state, {})
    one.connection_made(Transport())
    one.pause_writing()
    async with asyncio.timeout(5):
        await Transport.aborted.wait()
    one.connection_lost(None)
