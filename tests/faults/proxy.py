"""A faulty wire: `python -m tests.faults.proxy`, TCP in front of PostgreSQL, Kafka and consent.

A process of its own, so that a busy nemesis delays no byte. Commands are JSON lines on standard input, each answered
by one line on standard output; the end of the input ends it. Commands: `open` (name, port, to: [host, port] or a
socket's path), `fault` (name, kind, value, match), `heal` (name).

A fault applies to the connections of one proxy whose client called itself something that contains `match`
(PostgreSQL's application_name; elsewhere every connection matches). Kinds:
latency (s per chunk), reset (RST now, and for each new connection), cut (RST after N more bytes to the client),
half_open (nothing is forwarded, nothing is closed; RST when healed), stall_up / stall_down (one way only, delivered
when healed).
"""

import asyncio
import json
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

import uvloop

CHUNK = 65_536
_RST = struct.pack("ii", 1, 0)
_NAME = b"application_name\0"


class Fault:
    """What is wrong with a wire now."""

    def __init__(self, kind: str, value: float, match: str) -> None:
        self.kind, self.value, self.match = kind, value, match
        self.healed = asyncio.Event()


class Wire:
    """One client's connection to the server behind the proxy."""

    def __init__(self, proxy: "Proxy", writer: asyncio.StreamWriter) -> None:
        self.proxy, self.client = proxy, writer
        self.server: asyncio.StreamWriter | None = None
        self.label = ""
        self.down_bytes = 0
        self.cut_at: float | None = None
        self.dead_end = False

    def fault(self) -> Fault | None:
        fault = self.proxy.fault
        return fault if fault is not None and fault.match in self.label else None

    def name(self, chunk: bytes) -> None:
        """PostgreSQL's startup message says which of our processes this is."""
        at = chunk.find(_NAME)
        if not self.label and at >= 0:
            self.label = chunk[at + len(_NAME) :].split(b"\0", 1)[0].decode(errors="replace")

    def reset(self) -> None:
        for writer in (self.client, self.server):
            if writer is not None:
                found = writer.get_extra_info("socket")
                if found is not None and found.family == socket.AF_INET:
                    with suppress(OSError):
                        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                writer.transport.abort()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while chunk := await reader.read(CHUNK):
            if up:
                self.name(chunk)
            if not await self._pass(len(chunk), up=up):
                return
            writer.write(chunk)
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _pass(self, size: int, *, up: bool) -> bool:
        """Waits as the fault wants it; False when the wire is gone."""
        fault = self.fault()
        if fault is None:
            return True
        if fault.kind == "latency":
            await asyncio.sleep(fault.value)
        elif fault.kind == "cut" and not up:
            self.down_bytes += size
            if self.down_bytes > fault.value:
                self.reset()
                return False
        elif fault.kind in {"half_open", "stall_up" if up else "stall_down"}:
            self.dead_end = self.dead_end or fault.kind == "half_open"
            await fault.healed.wait()
            if self.dead_end:
                self.reset()
                return False
        return True


class Proxy:
    """One listening port and where it leads."""

    def __init__(self, to: Any) -> None:
        self.to = to
        self.fault: Fault | None = None
        self.wires: set[Wire] = set()

    async def open(self, port: int) -> int:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return int(server.sockets[0].getsockname()[1])

    def set(self, fault: Fault | None) -> None:
        if self.fault is not None:
            self.fault.healed.set()
        self.fault = fault
        for wire in list(self.wires):
            wire.down_bytes = 0
            if fault is not None and fault.kind == "reset" and fault.match in wire.label:
                wire.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(self, writer)
        self.wires.add(wire)
        try:
            if self.fault is not None and self.fault.kind == "reset" and not self.fault.match:
                wire.reset()
                return
            opening = (
                asyncio.open_unix_connection(self.to) if isinstance(self.to, str) else asyncio.open_connection(*self.to)
            )
            back, wire.server = await opening
            await asyncio.gather(wire.pump(reader, wire.server, up=True), wire.pump(back, writer, up=False))
        except (OSError, RuntimeError):
            wire.reset()
        finally:
            self.wires.discard(wire)
            for one in (writer, wire.server):
                if one is not None:
                    one.close()


def _obey(proxies: dict[str, Proxy], command: dict[str, Any]) -> None:
    proxy = proxies[command["name"]]
    if command["op"] == "heal":
        proxy.set(None)
    elif command["op"] == "fault":
        proxy.set(Fault(command["kind"], command.get("value", 0.0), command.get("match", "")))
    else:
        raise KeyError(command["op"])


async def main() -> None:
    """Obey until standard input ends."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    proxies: dict[str, Proxy] = {}
    while line := await commands.readline():
        command = json.loads(line)
        answer: dict[str, Any] = {}
        if command["op"] == "open":
            proxies[command["name"]] = proxy = Proxy(command["to"])
            answer["port"] = await proxy.open(command.get("port", 0))
        else:
            _obey(proxies, command)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
