"""What a service does with the records that `libs.common.consuming.consumer` reads."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from libs.common.bus.port import Delivery
from libs.common.database.database import WriteSession


class Handler(Protocol):
    """What a service does with records. Each call may be repeated for the same deliveries."""

    def alone(self, delivery: Delivery) -> bool:
        """Whether this record gets a transaction of its own, because it locks what a person's acts wait for."""
        ...

    async def prepare(self, deliveries: Sequence[Delivery]) -> Any:
        """Outside any transaction; may ask other services. Raises `NotYetError`, `PoisonRecordError`."""
        ...

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: Any) -> None:
        """All effects, in the transaction that moves the position. Raises `PoisonRecordError`."""
        ...


@runtime_checkable
class Reporter(Protocol):
    """A handler that also keeps why a record was parked. It must take a record of any bytes."""

    async def parked(self, session: WriteSession, delivery: Delivery, reason: str) -> None:
        """In the transaction that parks the record."""
        ...
