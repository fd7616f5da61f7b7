"""Sets the declared configuration of topics that exist already, and leaves alone what is not declared (KIP-339)."""

from collections.abc import Iterable
from typing import Any, Final

from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

from libs.common.bus.kafka import administering, client_options
from libs.common.bus.port import BusUnavailableError, Topic

_TOPIC: Final = 2  # the protocol's own codes
_SET: Final = 0


class _AlterResponse(Response):  # type: ignore[misc]  # aiokafka carries no types
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _AlterRequestV0(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                ("configs", Array(("name", String("utf-8")), ("operation", Int8), ("value", String("utf-8")))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _IncrementalAlterConfigs(Request[_AlterRequestV0]):  # type: ignore[misc]  # as above
    """aiokafka's own call is the older one, which takes back whatever it is not given."""

    API_KEY = 44

    def __init__(self, topics: Iterable[Topic]) -> None:
        self._resources = [
            (_TOPIC, topic.name, [(name, _SET, value) for name, value in sorted((topic.config or {}).items())])
            for topic in topics
        ]

    def build(self, request_struct_class: type[_AlterRequestV0]) -> _AlterRequestV0:
        return request_struct_class(self._resources, False)


async def configure(bus_url: str, topics: Iterable[Topic]) -> None:
    """Give each of these topics its declared configuration. Raises `BusUnavailableError`, naming the topic refused."""
    async with administering(client_options(bus_url)) as admin:
        answer: Any = await admin._send_request(_IncrementalAlterConfigs(topics))  # noqa: SLF001 - no public call
    for code, _, _, name in answer.responses:
        if code:
            raise BusUnavailableError(f"configuration of topic {name}: {for_code(code).__name__}")
