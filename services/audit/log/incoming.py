"""From a record on `audit.entries` to an act that can become a leaf.

1. Without a whole number (producer, generation, lane, number) a record belongs nowhere: it is parked, not logged.
2. With a number but not an entry, it becomes `event.rejected` under that number, so that the numbering stays whole.
   The digest of what came is committed to, never shown: a digest of something short can be guessed.
"""

import hashlib
import re
from typing import Any, NamedTuple

from pydantic import ValidationError

from libs.common.bus.port import Delivery, PoisonRecordError
from libs.common.wire.messages import LANES, AuditEntry, seconds, without_personal_numbers
from libs.common.wire.values import JsonError, strict_json
from services.audit.leaves.entry import ENTRY_SCHEMA, INTEGER_MAX, LOG_PRODUCER, Act, Numbered, Place, require_profile
from services.audit.model.errors import ProfileError

RECORD_BYTES_MAX = 65_536
_PRODUCER = re.compile(r"[a-z][a-z0-9-]{0,39}")
_NUMBER = re.compile(r"[0-9]{1,16}")


class Incoming(NamedTuple):
    """One record. `rejected`: the code of what is wrong with it; `act` is then the rejection."""

    numbered: Numbered
    place: Place
    act: Act
    rejected: str | None = None


def read(delivery: Delivery) -> Incoming:
    """The act in `delivery`. Raises PoisonRecordError when it carries no whole number."""
    numbered = _numbered(delivery)
    place = Place(delivery.topic, delivery.partition, delivery.offset)
    try:
        return Incoming(numbered, place, _act(_entry(delivery)))
    except _BrokenError as error:
        return Incoming(numbered, place, _rejection(delivery, numbered, error.code), rejected=error.code)


class _BrokenError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _numbered(delivery: Delivery) -> Numbered:
    headers = {name: value or b"" for name, value in delivery.headers}
    try:
        producer, *texts = (
            headers[f"ce_{name}"].decode("ascii") for name in ("producer", "generation", "lane", "number")
        )
    except (KeyError, UnicodeDecodeError):
        raise PoisonRecordError("not_numbered") from None
    if not _PRODUCER.fullmatch(producer) or producer == LOG_PRODUCER or not all(map(_NUMBER.fullmatch, texts)):
        raise PoisonRecordError("not_numbered")
    generation, lane, number = map(int, texts)
    if not (1 <= generation <= INTEGER_MAX and 0 <= lane < LANES and 1 <= number <= INTEGER_MAX):
        raise PoisonRecordError("not_numbered")
    return Numbered(producer, generation, lane, number)


def _entry(delivery: Delivery) -> AuditEntry:
    if len(delivery.value) > RECORD_BYTES_MAX:
        raise _BrokenError("too_large")
    try:
        strict_json(delivery.value)
        entry = AuditEntry.model_validate_json(delivery.value)
    except (JsonError, ValidationError):
        raise _BrokenError("not_an_entry") from None
    if without_personal_numbers(entry) is not entry:
        raise _BrokenError("personal_number")
    return entry


def _act(entry: AuditEntry) -> Act:
    private: dict[str, Any] = {"actor": entry.actor, "entry_id": str(entry.id)}
    optional = {
        "subject": entry.subject and str(entry.subject),
        "unit": entry.unit,
        "objects": dict(entry.objects),
        "reason": entry.reason,
        "correlation_id": entry.correlation_id,
    }
    private |= {name: value for name, value in optional.items() if value}
    try:
        require_profile([private, entry.type, entry.actor_role, entry.legal_basis, *entry.purposes])
    except ProfileError:
        raise _BrokenError("outside_profile") from None
    if not entry.actor:
        raise _BrokenError("no_actor")
    return Act(
        type=entry.type,
        action=entry.action,
        outcome=entry.outcome,
        occurred_at=seconds(entry.occurred_at),
        actor_role=entry.actor_role,
        private=private,
        purposes=entry.purposes,
        legal_basis=entry.legal_basis,
        notice_sha256=entry.notice_sha256,
        retention_class=entry.retention_class,
        schema=ENTRY_SCHEMA,
    )


def _rejection(delivery: Delivery, numbered: Numbered, code: str) -> Act:
    digest = hashlib.sha256(delivery.value).hexdigest()
    return Act(
        type="event.rejected",
        action="C",
        outcome="failure",
        occurred_at=seconds(delivery.timestamp),
        actor_role="service",
        private={"actor": numbered.producer, "objects": {"sha256": digest}, "reason": code},
        schema=ENTRY_SCHEMA,
    )
