"""Opens the bus that a URL names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from libs.common.bus.port import Bus


def connect(bus_url: str, *, client_id: str) -> Bus:
    """The implementation for `bus_url`, not yet started. Raises `ValueError` for an unknown scheme."""
    scheme = urlsplit(bus_url).scheme
    if scheme in {"kafka", "kafka+tls"}:
        from libs.common.bus.kafka import KafkaBus  # noqa: PLC0415 - only the chosen bus is loaded

        return KafkaBus(bus_url, client_id=client_id)
    if scheme.startswith("postgresql"):
        from libs.common.bus.postgres import PostgresBus  # noqa: PLC0415 - only the chosen bus is loaded

        return PostgresBus(bus_url, client_id=client_id)
    raise ValueError(f"no bus for the scheme {scheme!r}")


@asynccontextmanager
async def opened(bus_url: str, *, client_id: str) -> AsyncIterator[Bus]:
    """The bus at `bus_url`, started, until the block is left. Raises `BusUnavailableError`."""
    bus = connect(bus_url, client_id=client_id)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()
