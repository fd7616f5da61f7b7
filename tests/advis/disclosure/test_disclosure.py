"""What "disclosed" means, over a real uvicorn server on both event loops: the bytes that left, and what was settled."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.advis.disclosure.transport import Wire
from services.advis.model.reach import Reach
from tests.advis.world.disclosing import application, server
from tests.tree import ROOT
from tests.waiting import until

BODY = b"x" * 8_000_000  # more than two sockets' buffers hold
SMALL = b'{"items":[]}'
REQUEST = b"GET / HTTP/1.1\r\nhost: advis\r\n\r\n"

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's body on each event loop: the transports differ in when they write and when they close."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def runner(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with asyncio.Runner(loop_factory=factory) as loop:
            loop.run(body())

    return runner


class Scene:
    """One server, what it settled, and the wires on which it has written."""

    def __init__(self, body: bytes, lease_s: float) -> None:
        self.settled: list[Reach] = []
        self.wires: list[Wire] = []
        self.app = application(body, lease_s, self.settled.append, self.wires.append)

    async def wait_settled(self, number: int = 1) -> None:
        async def enough() -> bool:
            return len(self.settled) >= number

        await until(enough, 10)

    async def wait_written(self) -> Wire:
        async def written() -> bool:
            return bool(self.wires)

        await until(written, 10)
        return self.wires[-1]


def connected(port: int, receive_bytes: int = 4096) -> socket.socket:
    """A reader with a small window, that has sent its request and reads nothing by itself."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    reader.connect(("127.0.0.1", port))
    reader.sendall(REQUEST)
    return reader


async def read_all(reader: socket.socket) -> tuple[int, bool]:
    """Bytes until the end, and whether the end was a reset. Closes the reader."""
    loop, total = asyncio.get_running_loop(), 0
    reader.setblocking(False)
    with reader:
        try:
            while part := await loop.sock_recv(reader, 1 << 20):
                total += len(part)
        except ConnectionResetError:
            return total, True
        return total, False


def test_a_reader_who_reads_has_the_whole_answer_and_it_is_settled_disclosed_once(run: Run) -> None:
    async def body() -> None:
        scene = Scene(SMALL, 5)
        async with server(scene.app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for number in (1, 2, 3):  # the connection lives on
                writer.write(REQUEST)
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"content-length: %d\r\n" % len(SMALL) in head
                assert b"cache-control: no-store\r\n" in head
                assert await reader.readexactly(len(SMALL)) == SMALL
                await scene.wait_settled(number)
            writer.close()
        assert scene.settled == [Reach.DISCLOSED] * 3

    run(body)


def test_two_requests_sent_at_once_are_answered_and_settled_in_turn(run: Run) -> None:
    async def body() -> None:
        scene = Scene(SMALL, 5)
        async with server(scene.app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST * 2)
            for _ in range(2):
                await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(len(SMALL)) == SMALL
            await scene.wait_settled(2)
            writer.close()
        assert scene.settled == [Reach.DISCLOSED] * 2

    run(body)


def test_a_slow_reader_delays_the_settle_until_the_last_byte_has_left(run: Run) -> None:
    async def body() -> None:
        scene = Scene(BODY, 20)
        async with server(scene.app) as port:
            reader = connected(port, 65536)
            wire = await scene.wait_written()
            for _ in range(20):
                await asyncio.sleep(0.01)
                assert wire.unsent() > 0
            assert scene.settled == []
            reader.setblocking(False)
            taken = 0
            while taken < len(BODY):
                part = await asyncio.get_running_loop().sock_recv(reader, 1 << 18)
                taken += len(part)
                if scene.settled:
                    break
            left_here = len(BODY) + 1000 - taken  # what the reader's own kernel may hold
            assert left_here < 1_000_000
            await scene.wait_settled()
            reader.close()
        assert scene.settled == [Reach.DISCLOSED]

    run(body)


def test_at_the_end_of_the_lease_the_connection_is_cut_and_unsent_bytes_never_arrive(run: Run) -> None:
    async def body() -> None:
        scene = Scene(BODY, 0.3)
        async with server(scene.app) as port:
            reader = connected(port)
            began = time.monotonic()
            await scene.wait_settled()
            assert 0.2 < time.monotonic() - began < 1.5
            received, reset = await read_all(reader)
            assert reset
            assert 0 < received < 100_000
        assert scene.settled == [Reach.UNKNOWN]

    run(body)


def test_nothing_leaves_after_the_settle(run: Run) -> None:
    """The cut comes first: what the reader can have when `unknown` is said is all that it will ever have."""

    async def body() -> None:
        closed_before: list[bool] = []
        scene = Scene(BODY, 0.2)
        scene.app = application(
            BODY, 0.2, lambda reach: closed_before.append(scene.wires[-1].closed.is_set()), scene.wires.append
        )
        async with server(scene.app) as port:
            reader = connected(port)

            async def said() -> bool:
                return bool(closed_before)

            await until(said, 10)
            reader.close()
        assert closed_before == [True]

    run(body)


def test_a_reader_who_goes_away_leaves_it_unknown(run: Run) -> None:
    async def body() -> None:
        scene = Scene(BODY, 20)
        async with server(scene.app) as port:
            reader = connected(port)
            await scene.wait_written()
            reader.close()
            await scene.wait_settled()
        assert scene.settled == [Reach.UNKNOWN]

    run(body)


def test_a_reader_who_has_finished_asking_may_still_read_everything(run: Run) -> None:
    async def body() -> None:
        scene = Scene(BODY, 20)
        async with server(scene.app) as port:
            reader = connected(port, 1 << 20)
            await scene.wait_written()
            reader.shutdown(socket.SHUT_WR)
            received, reset = await read_all(reader)
            assert received > len(BODY)
            assert not reset
            await scene.wait_settled()
        assert scene.settled == [Reach.DISCLOSED]

    run(body)


def test_a_lease_that_is_over_before_the_first_byte_sends_nothing(run: Run) -> None:
    async def body() -> None:
        scene = Scene(SMALL, -0.001)
        async with server(scene.app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            writer.close()
            assert SMALL not in await reader.read()
        assert scene.settled == [Reach.NOT_SENT]

    run(body)


def test_a_server_without_our_protocol_discloses_nothing(run: Run) -> None:
    async def body() -> None:
        scene = Scene(SMALL, 5)
        async with server(scene.app, protocol=HttpToolsProtocol) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST)
            assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
            writer.close()
            assert SMALL not in await reader.read()
        assert scene.settled == [Reach.NOT_SENT]

    run(body)


def test_what_a_failing_send_leaves_in_the_buffers_is_thrown_away(run: Run) -> None:
    async def body() -> None:
        scene = Scene(BODY, 5)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def fails_after_writing(message: Any) -> None:
                await send(message)
                if message["type"] == "http.response.body":
                    raise RuntimeError("a middleware failed")

            await scene.app(scope, receive, fails_after_writing)

        async with server(app) as port:
            reader = connected(port)
            received, reset = await read_all(reader)
            assert reset
            assert received < 100_000
            await scene.wait_settled()
        assert scene.settled == [Reach.UNKNOWN]

    run(body)


def _received_after_the_kill(mode: str) -> tuple[int, list[str]]:
    """Bytes that a reader gets, all in all, from a sender that is killed while most of 8 MB is unsent."""
    command = [sys.executable, "-m", "tests.advis.world.disclosing", str(len(BODY)), "30", mode]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        port = int(sender.stdout.readline().split()[1])
        reader = connected(port)
        said = [sender.stdout.readline().strip()]
        sender.kill()
        sender.wait()
        said += [line.strip() for line in sender.stdout.readlines()]
    received, reset = asyncio.run(read_all(reader))
    assert reset or mode == "keep"
    return received, said


def test_a_killed_sender_takes_its_unsent_bytes_along() -> None:
    received, said = _received_after_the_kill("discard")
    assert said == ["written"]  # never settled: only its confirmed death ends the permit
    assert received < 100_000


def test_without_the_linger_a_killed_sender_would_go_on_sending() -> None:
    """The measure of the test above: it can fail."""
    received, _ = _received_after_the_kill("keep")
    assert received > 200_000
