"""What each source may report, as consent has it: read from consent when asked for, at most `fresh_s` old.

While consent is away the last answer serves for `stale_s`; after that, and before the first answer, nobody may report
(P9). Nothing is stored: the registry has one owner (ADR 0016).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pydantic import ValidationError

from libs.common.bus.case_events import Key, Vocabulary
from libs.common.http.client import RefusedError, ServiceClient, UnreachableError
from libs.common.wire.sources import Binding, BindingsAnswer, EventNamed, ParkedAnswer, ParkedRequest
from services.advis.consent.client import ConsentUnavailableError, ask
from services.advis.reference.reference import Reference

FRESH_S = 1.0
STALE_S = 300.0

Parked = Callable[[Binding, Sequence[Key]], Awaitable[Sequence[str | None]]]
"""Why consent parked each of these events (CloudEvents source, id) of a source; None where it did not."""


class Sources:
    """The registry of one process. `read` and `parked` ask consent; they raise ConsentUnavailableError."""

    def __init__(
        self,
        read: Callable[[], Awaitable[BindingsAnswer]],
        parked: Parked,
        *,
        fresh_s: float = FRESH_S,
        stale_s: float = STALE_S,
    ) -> None:
        self._read = read
        self.parked = parked
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._lock = asyncio.Lock()
        self._known: BindingsAnswer | None = None
        self._tried_at_s = self._known_at_s = float("-inf")

    async def current(self) -> BindingsAnswer:
        """The sources in force. Raises ConsentUnavailableError when consent's word is not known or too old."""
        async with self._lock:
            if time.monotonic() - self._tried_at_s >= self._fresh_s:
                await self._refresh()
            if self._known is None or time.monotonic() - self._known_at_s > self._stale_s:
                raise ConsentUnavailableError("sources")
            return self._known

    async def _refresh(self) -> None:
        asked_at_s = time.monotonic()
        try:
            self._known = await self._read()
            self._known_at_s = asked_at_s
        except ConsentUnavailableError:
            if self._known is None:
                raise
        self._tried_at_s = asked_at_s


def asking(service: ServiceClient) -> Callable[[], Awaitable[BindingsAnswer]]:
    """Reads the registry from consent as advis itself."""

    async def read() -> BindingsAnswer:
        try:
            return BindingsAnswer.model_validate(await service.get("/v1/sources"))
        except (UnreachableError, RefusedError, ValidationError) as error:
            raise ConsentUnavailableError("/v1/sources") from error

    return read


def asking_parked(service: ServiceClient) -> Parked:
    """Asks consent as advis itself."""

    async def parked(binding: Binding, asked: Sequence[Key]) -> Sequence[str | None]:
        named = tuple(EventNamed(source=source, event_id=one) for source, one in asked)
        request = ParkedRequest(system=binding.code, events=named)
        found = (await ask(service, "/v1/case-events:parked", request, ParkedAnswer)).reasons
        if len(found) != len(asked):
            raise ConsentUnavailableError("parked events out of order")
        return found

    return parked


def client_of(known: BindingsAnswer, client_id: str) -> Binding | None:
    """The source that a client is; None for a client that is none."""
    return next((binding for binding in known.items if binding.client_id == client_id), None)


def vocabulary_of(known: BindingsAnswer, reference: Reference) -> Vocabulary:
    """The event types that we can handle, and the units that consent knows."""
    directions: Mapping[str, str] = {code: kind.direction for code, kind in reference.event_types.items()}
    return Vocabulary(directions, known.units)
