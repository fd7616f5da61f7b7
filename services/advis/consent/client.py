"""The calls that advis makes to consent (docs/fence.md), and the lease clock. Nothing is remembered between calls.

1. The lease runs on our monotonic clock from *before* the acquire was sent: it never ends later than consent thinks.
   A disclosure ends when SETTLING_SHARE of the lease is left: a reader that takes no bytes, or a receiver that never
   answers, is cut then, and the settle arrives before consent must order a healthy holder fenced.
2. Unreachable, refused as a caller, or an answer that does not fit the question: nothing is permitted (P9). None of
   these is a refusal of a permit, and none may cancel anything.
3. A lost acquire may have been granted: whoever asked settles its ids `not_sent` and forgets them.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from libs.common.http.client import RefusedError, ServiceClient, UnreachableError
from libs.common.wire.permits import (
    BATCH_MAX,
    AcquireAnswer,
    AcquireRequest,
    Arrival,
    ArrivalAnswer,
    ArrivalsAnswer,
    ArrivalsRequest,
    Permit,
    PermitItem,
    PreviewAnswer,
    SettleItem,
    SettleRequest,
)

SETTLING_SHARE: Final = 0.2
_Answer = TypeVar("_Answer", bound=BaseModel)


class ConsentUnavailableError(Exception):
    """Consent did not answer in a way that we may act on. Nothing is disclosed, nothing is cancelled."""


class QuestionRefusedError(ConsentUnavailableError):
    """Consent cannot read what we asked, however often we ask: something in it is not as the contract says."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one acquire permitted, and until when (monotonic seconds) the disclosure may last."""

    permits: Mapping[UUID, Permit]
    ends_at_s: float


class Fence:
    """`holder` speaks with the holder's own token (acquire, settle); `service` as advis itself (arrivals, preview).

    A process that discloses nothing has no holder, and is permitted nothing.
    """

    def __init__(self, holder: ServiceClient | None, service: ServiceClient, *, lease_ms: int) -> None:
        self._holder = holder
        self._service = service
        self._lease_ms = lease_ms

    async def arrivals(self, items: Sequence[Arrival]) -> list[ArrivalAnswer]:
        """The answer to each arrival, in the same order. Raises ConsentUnavailableError."""
        answers: list[ArrivalAnswer] = []
        for start in range(0, len(items), BATCH_MAX):
            asked = tuple(items[start : start + BATCH_MAX])
            answer = await ask(self._service, "/v1/arrivals", ArrivalsRequest(items=asked), ArrivalsAnswer)
            if [item.event_id for item in answer.items] != [item.event_id for item in asked]:
                raise ConsentUnavailableError("arrivals out of order")
            answers.extend(answer.items)
        return answers

    async def would_grant(self, items: Sequence[PermitItem]) -> frozenset[UUID]:
        """The permit ids of those that would be granted now; an opinion. One call, also for no items."""
        answer = await ask(self._service, "/v1/permits:preview", AcquireRequest(items=tuple(items)), PreviewAnswer)
        return frozenset(answer.would_grant)

    async def acquire(self, items: Sequence[PermitItem]) -> Grant:
        """Permits for what is granted of `items`. One call, also for no items (P2). Raises ConsentUnavailableError."""
        asked_at_s = time.monotonic()
        answer = await ask(self._holder, "/v1/permits:acquire", AcquireRequest(items=tuple(items)), AcquireAnswer)
        permits = {permit.permit_id: permit for permit in answer.granted}
        lease_ms = min((permit.lease_ms for permit in answer.granted), default=self._lease_ms)
        disclosing_s = min(lease_ms, self._lease_ms) / 1000 * (1 - SETTLING_SHARE)
        return Grant(MappingProxyType(permits), asked_at_s + disclosing_s)

    async def settle(self, items: Sequence[SettleItem]) -> None:
        """End permits; may be repeated. At most BATCH_MAX. Raises ConsentUnavailableError."""
        request = SettleRequest(items=tuple(items))
        await _send(self._holder, "/v1/permits:settle", request)


async def _send(client: ServiceClient | None, path: str, body: BaseModel) -> object:
    if client is None:
        raise ConsentUnavailableError("no holder")
    try:
        return await client.post(path, body, idempotent=True)
    except RefusedError as error:
        unreadable = error.status in {400, 413, 422}
        raise (QuestionRefusedError if unreadable else ConsentUnavailableError)(path) from error
    except UnreachableError as error:
        raise ConsentUnavailableError(path) from error


async def ask(client: ServiceClient | None, path: str, body: BaseModel, form: type[_Answer]) -> _Answer:
    """Consent's answer to `body`, in its form. Raises ConsentUnavailableError."""
    try:
        return form.model_validate(await _send(client, path, body))
    except ValidationError as error:
        raise ConsentUnavailableError(path) from error
