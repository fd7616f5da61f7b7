"""Structured logs: one JSON object a line on standard output, holding allow-listed fields only (law 8, P10).

1. A field that is not in `FIELDS` is dropped and counted; so is a value that is not a code, a number, a time or an id.
2. An event has a constant name in snake_case. A sentence would invite a value into it, so it is replaced.
3. An exception is its type and the places in the code it passed; never its text, which often quotes the input.
4. A library's record is its template without the arguments, first line only.
5. Whatever still looks like a CPR number is masked. This is a net under the rules above, not one of them.
"""

import logging
import re
import sys
import traceback
from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from contextvars import Token
from datetime import UTC, datetime
from enum import Enum
from types import TracebackType
from typing import Any, cast
from uuid import UUID

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from libs.common.wire.identifiers import is_id, mask_personal_numbers

FIELDS = frozenset(
    """
    about action actor_kind assigned attempt attempts attempts_max batch bytes category code consent_id correlation_id
    count delay_ms duration_ms endpoint_unit epoch error event event_id event_type exception exit_code first generation
    group holder_id holder_unit instance kind lag lane last leaves level library library_message limit lock method
    missing notification_id number offset outcome partition permit_id permits pid port processes producer profile
    proof purpose ready reason receipt_id recipient_unit records retry_ms revision role route rows service setting
    signal size slot state status timestamp topic type unit unknown_fields version waited_ms withdrawal_id
    """.split()  # noqa: SIM905 - a table to read
)
TEXT_MAX = 200  # characters of one value
FRAMES_MAX = 12  # innermost places of one exception

_NAME = re.compile(r"[a-z][a-z0-9_.]{2,79}")
_TEN_DIGITS = range(10**9, 10**10)
_dropped: Counter[str] = Counter()


def dropped_fields() -> Mapping[str, int]:
    """How often each field was dropped since the start of the process: a test or a metric must find none."""
    return dict(_dropped)


def masked(text: str) -> str:
    """`text`, at most TEXT_MAX characters, with whatever reads as a personal number masked unless it is an id."""
    return (text if is_id(text) else mask_personal_numbers(text))[:TEXT_MAX]


def _value(value: object) -> Any:
    """A loggable form of `value`; raises TypeError for what may hold free text or structure."""
    if value is None or isinstance(value, bool | int | float):
        return masked(str(value)) if isinstance(value, int) and value in _TEN_DIGITS else value
    if isinstance(value, Enum):
        return _value(value.value)
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, UUID | datetime):
        return str(value)
    if isinstance(value, Sequence | frozenset | set) and not isinstance(value, bytes | bytearray):
        return [_value(item) for item in list(value)[:20]]
    raise TypeError(type(value).__name__)


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-FRAMES_MAX:]
    return [f"{'/'.join(frame.filename.split('/')[-4:])}:{frame.lineno} {frame.name}" for frame in frames]


def _exception(event: MutableMapping[str, Any]) -> None:
    """Replace `exc_info` by the exception's type, its causes' types and the places in the code (rule 3)."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info is True else info
    event.pop("stack_info", None)
    if not isinstance(error, BaseException):
        return
    event["error"] = type(error).__name__
    event["exception"] = _places(error.__traceback__)
    if cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        event["reason"] = type(cause).__name__


def allow_listed(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Processor of structlog: keep what FIELDS allows in a form `_value` allows; drop and count the rest."""
    _exception(event)
    kept: dict[str, Any] = {}
    for field, value in event.items():
        try:
            if field not in FIELDS:
                raise TypeError(field)
            kept[field] = _value(value)
        except TypeError:
            _dropped[masked(field)] += 1
    if missing := len(event) - len(kept):
        kept["unknown_fields"] = missing
    if not _NAME.fullmatch(str(event.get("event", ""))):
        _dropped["event"] += 1
        kept["event"] = "unnamed_event"
    return kept


def _stamp(_logger: object, method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event["level"] = "error" if method == "exception" else method
    return event


def _write(_logger: object, _method: str, event: EventDict) -> str:
    return orjson.dumps(dict(event)).decode()


class _Library(logging.Handler):
    """Brings the records of libraries through the same allow-list (rule 4)."""

    def emit(self, record: logging.LogRecord) -> None:
        first_line = str(record.msg).strip().split("\n", 1)[0]
        event = {"library": record.name, "library_message": masked(first_line), "exc_info": record.exc_info}
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        get_logger().log(level, "library_record", **event)


def configure(service: str, role: str, level: str = "INFO", *, instance: str | None = None) -> None:
    """Set up logging of this process, once, before anything logs. `level` is a name of `logging`, e.g. "INFO"."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _identify(service, role, instance),
            *(_stamp, allow_listed, _write),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Library()], level=max(number, logging.INFO), force=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # addresses hold identifiers; audit records the acts
    for name in ("sqlalchemy.engine", "sqlalchemy.pool", "aiokafka", "httpx2", "httpcore2", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _identify(service: str, role: str, instance: str | None) -> structlog.typing.Processor:
    fixed = {"service": service, "role": role, **({"instance": instance} if instance else {})}

    def identify(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.update(fixed)
        return event

    return identify


def get_logger() -> FilteringBoundLogger:
    """The logger. Call as `log.info("withdrawal_drained", withdrawal_id=id)`: a constant name, allowed fields."""
    return cast(FilteringBoundLogger, structlog.get_logger())


def bind_correlation(correlation_id: str) -> Mapping[str, Token[Any]]:
    """Every log line of this task carries `correlation_id` from now on; give the result to `unbind_correlation`."""
    return structlog.contextvars.bind_contextvars(correlation_id=correlation_id)


def unbind_correlation(tokens: Mapping[str, Token[Any]]) -> None:
    """Undo `bind_correlation`."""
    structlog.contextvars.reset_contextvars(**tokens)


def current_correlation() -> str | None:
    """The correlation id of this task, or None outside a request or a message."""
    return cast(str | None, structlog.contextvars.get_contextvars().get("correlation_id"))
