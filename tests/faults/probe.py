"""What a test build calls inside the product's processes: records for the checker, fail points, a shifted clock.

Only the standard library, and nothing at all unless `FAULTS_DIR` is set. One record is one line in one file, appended
by a single write, with CLOCK_MONOTONIC in nanoseconds: one clock for all processes of a machine, so that *after* is
decidable. A fail point acts when a file `<name>.KILL` or `<name>.STOP` lies in `points/`; the first process that
arrives takes it away.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import cache
from json import dumps
from pathlib import Path
from typing import Any

FOLDER = "FAULTS_DIR"
RECORDS, POINTS, CLOCKS = "records.jsonl", "points", "clocks"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_ACTS = {"KILL": signal.SIGKILL, "STOP": signal.SIGSTOP}
_real_time = time.time
_ringing: ContextVar[dict[str, Any] | None] = ContextVar("ringing", default=None)
_about: ContextVar[tuple[Any, ...]] = ContextVar("about", default=())


@cache
def _folder() -> Path | None:
    named = os.environ.get(FOLDER)
    return Path(named) if named else None


@cache
def _file() -> int:
    folder = _folder()
    assert folder is not None
    return os.open(folder / RECORDS, _FLAGS, 0o600)


def record(what: str, /, **fields: Any) -> None:
    """One line: what, when (ns, monotonic), which process, and the fields."""
    if _folder() is not None:
        line = {"k": what, "t": time.monotonic_ns(), "pid": os.getpid(), **fields}
        os.write(_file(), dumps(line, default=str, separators=(",", ":")).encode() + b"\n")


def point(name: str, shown: Iterable[Any] = ()) -> None:
    """A named place in the code. Armed, this process is killed or stopped here and now.

    Where the armed file names persons, it must be about one of them: `shown` is what is about to be disclosed.
    """
    folder = _folder()
    if folder is None:
        return
    for act, number in _ACTS.items():
        armed = folder / POINTS / f"{name}.{act}"
        if not armed.exists():
            continue
        with suppress(FileNotFoundError):
            wanted = set(armed.read_text().split())
            if wanted and wanted.isdisjoint(str(person) for item in shown for person in item.notification.persons):
                continue
            armed.rename(armed.with_name(f".{name}.{act}.{os.getpid()}"))
            record("point", name=name, act=act)
            os.kill(os.getpid(), number)


def bumped(epochs: Any, at: datetime) -> None:
    """Inside the transaction, under the scope locks: these scopes have these epochs from now on."""
    record("bump", scopes=[[*map(str, key), epoch] for key, epoch in epochs.items()], at=at.timestamp())


def opened(yes: Iterable[Any], at: datetime) -> None:
    """Inside the transaction, under the scope locks: these permits are opened at these epochs."""
    for one in yes:
        item = one.item
        scopes = [[str(part.borger_id), item.purpose, item.recipient_unit, part.epoch] for part in one.judgement.parts]
        record("permit", permit=str(item.permit_id), kind=item.kind, scopes=scopes, at=at.timestamp())


def committed(granted: Iterable[Any]) -> None:
    """Consent's answer to an acquire: these permits are committed."""
    record("committed", permits=[str(permit.permit_id) for permit in granted])


def arrived(answers: Iterable[Any]) -> None:
    """Consent's answers to arrivals, one record each; *not yet* is no answer."""
    for answer in answers:
        if not answer.not_yet:
            openings = [
                [
                    o.recipient_unit,
                    o.purpose,
                    str(o.subject),
                    [[str(r.borger_id), r.category, r.epoch] for r in o.reveals],
                ]
                for o in answer.openings
            ]
            record("arrival", event=answer.event_id, openings=openings)


def writing(disclosure: Any) -> None:
    """The first byte of an answer is written next."""
    record("write", kind="http", permits=_permits(disclosure))


def written(disclosure: Any, reach: str) -> None:
    """No byte of this answer leaves after this; it is settled next."""
    record("end", permits=_permits(disclosure), reach=str(reach))


def _permits(disclosure: Any) -> list[str]:
    return [str(item.use.permit_id) for item in disclosure.settle.__self__.shown]


def will_ring(item: Any, bell: Any) -> None:
    """The doorbell that this task is about to ring, under which permit."""
    _ringing.set({"permits": [str(item.use.permit_id)], "doorbell": str(bell.doorbell_id)})
    _about.set((item,))


def at_bell(name: str) -> None:
    """A fail point on the way of the doorbell that this task rings."""
    point(name, _about.get())


def ringing() -> None:
    """The connection stands; the first byte of the doorbell is written next."""
    record("write", kind="doorbell", **(_ringing.get() or {}))


def rung(reach: str) -> None:
    """No byte of this doorbell leaves after this; it is settled next."""
    record("end", reach=str(reach), **(_ringing.get() or {}))


def now() -> datetime:
    """The wall clock as this process sees it."""
    return datetime.now(UTC) + timedelta(seconds=_shift_s())


def shift_the_clock() -> None:
    """From now on `time.time` of this process follows the file `clocks/<instance>`, in seconds."""
    time.time = lambda: _real_time() + _shift_s()


def _shift_s() -> float:
    folder = _folder()
    if folder is None:
        return 0.0
    try:
        return float((folder / CLOCKS / os.environ.get("SAMTYKKEBRO_INSTANCE", "")).read_text())
    except (OSError, ValueError):
        return 0.0
