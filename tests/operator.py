"""The operator of the tests: the only one who can open what is parked, and send it again."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from libs.common.bus.port import Delivery, OutgoingRecord, unpack_headers
from libs.common.consuming.parking import Parked, Parking, opened, parked
from libs.common.consuming.seal import Keys, new_keys, public_half

DOCUMENT = new_keys()
OPERATOR = Keys(DOCUMENT)


def parking(service: str = "test") -> Parking:
    """As a service has it: with the public half alone."""
    return Parking(Keys(public_half(DOCUMENT)), service)


def write_parking_keys(folder: Path) -> None:
    """The public half, where a service with this secrets folder looks for it."""
    (folder / "parking-keys.json").write_text(json.dumps(public_half(DOCUMENT)))


def as_delivered(record: OutgoingRecord, offset: int = 0) -> Delivery:
    content = (record.key, record.headers, record.value)
    return Delivery(record.topic, 0, offset, *content, datetime.now(UTC), record.null)


def letter_of(row: Any) -> Delivery:
    """A row of an outbox (topic, key, headers, payload) as the operator reads it from the bus."""
    return as_delivered(OutgoingRecord(row.topic, row.key, unpack_headers(row.headers), row.payload))


def reason_in(row: Any) -> str:
    return parked(letter_of(row)).reason


def said_in(row: Any) -> Parked:
    return parked(letter_of(row))


def opened_row(row: Any) -> OutgoingRecord:
    return opened(letter_of(row), OPERATOR)
