"""The same SQL in pgbench: what our own code sent, statement for statement, without our own code.

A transaction is recorded as it is sent and written as a pgbench script. Ids that were new in the recording are drawn
anew for every run of the script, so that it inserts rows of its own; everything else stays what it was.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event, make_url

from libs.cli.installation import postgres_binaries
from libs.cli.processes.local_parts import RunUser
from libs.common.database.database import WriteSession, driver
from tests.bench.load import Sample

_PARAMETER = re.compile(r"\$(\d+)")
_TPS = re.compile(r"tps = ([\d.]+)")
_ID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_WIDTH = 2**47
VARIABLES_MAX = 250  # in a statement that pgbench prepares; longer ones it sends as text


@dataclass(frozen=True)
class Statement:
    """One statement as it was sent, with what it took on the server and back, in ms."""

    query: str
    arguments: Sequence[Any]
    took_ms: float


async def recorded(session: WriteSession, work: Callable[[], Awaitable[object]]) -> list[Statement]:
    """What `work` sends over the session, in order, whether through SQLAlchemy or straight to the driver."""
    statements: list[Statement] = []
    begun = [0.0]

    def straight(said: Any) -> None:
        statements.append(Statement(said.query, tuple(said.args or ()), (said.elapsed or 0) * 1000))

    def before(*_: Any) -> None:
        begun[0] = time.perf_counter()

    def after(_c: Any, _cursor: Any, query: str, arguments: Any, *_: Any) -> None:
        statements.append(Statement(query, tuple(arguments or ()), (time.perf_counter() - begun[0]) * 1000))

    connection = session.sync_connection
    event.listen(connection, "before_cursor_execute", before)
    event.listen(connection, "after_cursor_execute", after)
    try:
        with driver(session).query_logger(straight):
            await work()
    finally:
        event.remove(connection, "before_cursor_execute", before)
        event.remove(connection, "after_cursor_execute", after)
    return statements


def script(statements: Iterable[Statement], known: Mapping[UUID, str]) -> str:
    """A pgbench script of one transaction. `known`: ids that are to be an expression of pgbench variables.

    Every other UUID among the arguments is one that the transaction made, and is drawn at random.
    """
    taken = list(statements)
    names: dict[UUID, str] = dict(known)
    drawn = []
    for value in _uuids(item.arguments for item in taken):
        if value not in names:
            names[value] = f"lpad(to_hex(:n{len(drawn)}::bigint), 12, '0')"
            drawn.append(f"\\set n{len(drawn)} random(1, {_WIDTH})")
    body = [_PARAMETER.sub(lambda m, a=item.arguments: _literal(a[int(m[1]) - 1], names), item.query) for item in taken]
    lines = [" ".join(line.split()).rstrip(";") + ";" for line in ["BEGIN", *body, "COMMIT"]]
    return "\n".join([r"\set b random(0, 19)", *drawn, *lines]) + "\n"


def _uuids(arguments: Iterable[Sequence[Any]]) -> Iterable[UUID]:
    for row in arguments:
        for value in row:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, UUID):
                    yield UUID(str(item))
                elif isinstance(item, str):
                    yield from (UUID(found[0]) for found in _ID.finditer(item))


def _drawn(known: UUID, names: Mapping[UUID, str]) -> str:
    return f"('00000000-0000-4000-8000-' || {names[known]})"


def _text(value: str, names: Mapping[UUID, str]) -> str:
    """A string; the ids inside it, an actor's, a key's, those of a JSON document, are drawn too."""
    parts, end = [], 0
    for found in _ID.finditer(value):
        parts += [_quoted(value[end : found.start()]), _drawn(UUID(found[0]), names)]
        end = found.end()
    if not parts:
        return _quoted(value)
    kind = "::json" if value[:1] in {"{", "["} else ""  # a literal takes its column's type, an expression does not
    return f"({' || '.join([*parts, _quoted(value[end:])])}){kind}"


def _quoted(value: str) -> str:
    # pgbench takes a colon and a word for a variable, also inside quotes.
    return "E'" + value.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a") + "'"


def _literal(value: Any, names: Mapping[UUID, str]) -> str:  # noqa: PLR0911 - one line a type
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return f"{_drawn(UUID(str(value)), names)}::uuid"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    if isinstance(value, datetime):
        return _literal(value.isoformat(), names) + "::timestamptz"
    if isinstance(value, date):
        return f"'{value.isoformat()}'::date"
    if isinstance(value, list | tuple | set | frozenset):
        items = list(value)
        if any(isinstance(item, UUID) for item in items):
            return f"ARRAY[{', '.join(_literal(item, names) for item in items)}]::uuid[]"
        if not items:
            return "'{}'"
        return f"ARRAY[{', '.join(_literal(item, names) for item in items)}]"
    return _text(str(value), names)


async def pgbench(url: str, text: str, folder: Path, *, clients: int, seconds: float) -> Sample:
    """Run the script by so many clients, prepared, on one thread; each run is one unit."""
    file = folder / "script.sql"
    file.write_text(text)
    address = make_url(url)
    found = postgres_binaries.find(RunUser.for_unprivileged())
    mode = "prepared" if text.count("\\set ") < VARIABLES_MAX else "simple"
    command = [str(found.folder / "bin" / "pgbench"), "-n", "-M", mode, "-c", str(clients), "-j", "1"]
    command += ["-T", str(max(1, round(seconds))), "-f", str(file), "-l", f"--log-prefix={folder / 'log'}"]
    command += ["-h", str(address.query["host"]), "-U", str(address.username), str(address.database)]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"PGPASSWORD": str(address.password)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out = (await process.communicate())[0].decode()
    rate = _TPS.search(out)
    if process.returncode or rate is None:
        raise RuntimeError(f"pgbench: {out[-1500:]}")
    latencies = []
    for log in folder.glob("log.*"):
        latencies += [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]
        log.unlink()
    return Sample(len(latencies) / float(rate[1]), len(latencies), tuple(latencies))
