"""Stand-ins for what is outside the service under test, faithful to the wire contract in libs/common."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from aiohttp import web

from libs.common.wire.permits import (
    AcquireAnswer,
    AcquireRequest,
    ArrivalAnswer,
    ArrivalsAnswer,
    ArrivalsRequest,
    Opening,
    Permit,
    PermitItem,
    PreviewAnswer,
    SettleRequest,
)

HOLDER_TOKEN = "holder-token-of-a-test"
SERVICE_TOKEN = "service-token-of-a-test"


@dataclass
class FakeConsent:
    """The consent service as advis sees it: openings by event, permits with tombstones, and what was asked.

    `refused` names notifications, `withdrawn` scopes (person, purpose, recipient unit); both refuse permits. `away`
    breaks every call; `lost` loses the answers of acquires that took effect; `shuffles` answers arrivals out of order.
    `settle_rate` is how many permits it settles in a second, each call in one transaction, which the caller's leaving
    rolls back; those in `unsettleable` it refuses to settle, and every call that names one.
    """

    openings: dict[str, list[Opening]] = field(default_factory=dict)
    not_yet: set[str] = field(default_factory=set)
    not_yet_times: dict[str, int] = field(default_factory=dict)
    refused: set[UUID] = field(default_factory=set)
    withdrawn: set[tuple[UUID, str, str]] = field(default_factory=set)
    lease_ms: int = 5_000
    away: bool = False
    lost: bool = False
    holder_dead: bool = False
    shuffles: bool = False
    settle_rate: float | None = None
    unsettleable: set[UUID] = field(default_factory=set)
    after_preview: Callable[[], object] | None = None

    url: str = ""
    calls: defaultdict[str, list[object]] = field(default_factory=lambda: defaultdict(list))
    permits: dict[UUID, PermitItem] = field(default_factory=dict)
    settled: dict[UUID, str] = field(default_factory=dict)
    accepted: list[int] = field(default_factory=list)  # how many permits each settle that took effect named
    consent_id: UUID = field(default_factory=uuid4)

    @property
    def open_permits(self) -> Collection[UUID]:
        return self.permits.keys() - self.settled.keys()

    def outcomes(self) -> list[str]:
        """How every permit that was granted ended."""
        return sorted(self.settled[permit_id] for permit_id in self.permits if permit_id in self.settled)

    def withdraw(self, borger_id: UUID, purpose: str, recipient_unit: str) -> None:
        self.withdrawn.add((borger_id, purpose, recipient_unit))

    def permits_item(self, item: PermitItem) -> bool:
        scopes = {(told.borger_id, item.purpose, item.recipient_unit) for told in item.reveals}
        return item.notification_id not in self.refused and not scopes & self.withdrawn

    async def arrivals(self, request: web.Request) -> web.Response:
        asked = await self._read(request, ArrivalsRequest, SERVICE_TOKEN)
        answers = tuple(
            ArrivalAnswer(event_id=item.event_id, not_yet=True)
            if item.event_id in self.not_yet or self._still_late(item.event_id)
            else ArrivalAnswer(event_id=item.event_id, openings=tuple(self.openings.get(item.event_id, ())))
            for item in asked.items
        )
        return _answer(ArrivalsAnswer(items=answers[::-1] if self.shuffles else answers))

    def _still_late(self, event_id: str) -> bool:
        left = self.not_yet_times.get(event_id, 0)
        self.not_yet_times[event_id] = left - 1
        return left > 0

    async def preview(self, request: web.Request) -> web.Response:
        asked = await self._read(request, AcquireRequest, SERVICE_TOKEN)
        would = tuple(item.permit_id for item in asked.items if self.permits_item(item))
        if self.after_preview:
            self.after_preview()
        return _answer(PreviewAnswer(would_grant=would))

    async def acquire(self, request: web.Request) -> web.Response:
        asked = await self._read(request, AcquireRequest, HOLDER_TOKEN)
        granted = [item for item in asked.items if item.permit_id not in self.settled and self.permits_item(item)]
        self.permits |= {item.permit_id: item for item in granted}
        if self.lost:
            raise web.HTTPBadGateway
        permits = tuple(
            Permit(permit_id=item.permit_id, lease_ms=self.lease_ms, consents=(self.consent_id,)) for item in granted
        )
        return _answer(AcquireAnswer(granted=permits))

    async def settle(self, request: web.Request) -> web.Response:
        asked = await self._read(request, SettleRequest, HOLDER_TOKEN)
        if self.unsettleable & {item.permit_id for item in asked.items}:
            raise web.HTTPBadRequest
        if self.settle_rate is not None:
            await asyncio.sleep(len(asked.items) / self.settle_rate)
            if request.transport is None or request.transport.is_closing():
                return web.Response(status=204)
        for item in asked.items:
            self.settled.setdefault(item.permit_id, item.outcome)
        self.accepted.append(len(asked.items))
        return web.Response(status=204)

    async def _read(self, request: web.Request, form: type, token: str):
        if self.away:
            raise web.HTTPServiceUnavailable
        if request.headers.get("Authorization") != f"Bearer {token}":
            raise web.HTTPForbidden
        if self.holder_dead and token == HOLDER_TOKEN:
            raise web.HTTPForbidden
        body = form.model_validate_json(await request.read())
        self.calls[request.path].append(body)
        return body

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FakeConsent"]:
        app = web.Application()
        app.router.add_post("/v1/arrivals", self.arrivals)
        app.router.add_post("/v1/permits:acquire", self.acquire)
        app.router.add_post("/v1/permits:preview", self.preview)
        app.router.add_post("/v1/permits:settle", self.settle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        yield self
        await runner.cleanup()


def _answer(model) -> web.Response:
    return web.Response(body=model.model_dump_json().encode(), content_type="application/json")
