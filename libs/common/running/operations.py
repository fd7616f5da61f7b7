"""What an operator sees of a process, whatever its role: figures, readiness, and the alarms that figures raise.

1. A listener of its own, on `metrics_port`, answers /metrics and /health: the public door has neither figures nor a
   way to them, the proxy passes nothing on to it, and a role without a door has one too.
2. The process looks at its figures every WATCH_S. What is beyond its limit is an alarm at once, and again every
   REMIND_S for as long as it lasts.
3. An observer that fails keeps no other from its turn.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import QueuePool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.database.database import Database, ReadSession, clock, driver
from libs.common.observing import metrics
from libs.common.observing.log import get_logger
from libs.common.running import alarms, health
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from libs.common.running.process import serve
from libs.common.running.settings import CommonSettings

WATCH_S: Final = 5.0
LOOP_PROBE_S: Final = 0.25
REMIND_S: Final = 300.0
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE: Final = "none"

# Counting stops at a number that is an alarm long before.
_OUTBOX = """
SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE number IS NULL LIMIT 100000) AS unnumbered)
       + (SELECT coalesce(sum(numbered - sent), 0) FROM outbox_lane) AS unsent,
       coalesce(extract(epoch FROM clock_timestamp() - least(
         (SELECT created_at FROM outbox WHERE number IS NULL ORDER BY id LIMIT 1),
         (SELECT min(o.created_at) FROM outbox_lane l JOIN outbox o
          ON o.lane = l.lane AND o.generation = l.generation AND o.number = l.sent + 1 WHERE l.numbered > l.sent)
       )), 0)::float8 AS age_s
"""
_TABLES = (
    "SELECT relname, greatest(reltuples, 0) AS rows, pg_total_relation_size(oid) AS bytes FROM pg_class"
    " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
)
_log = get_logger()


@dataclass(frozen=True, slots=True)
class Beyond:
    """A figure that is beyond its limit: which alarm, about which thing of ours."""

    code: AlarmCode
    about: str = ""


Observer = Callable[[ReadSession], Awaitable[Sequence[Beyond]]]


def outbox_observer(settings: CommonSettings) -> Observer:
    """What the relay has not published, and since when."""

    async def observe(session: ReadSession) -> Sequence[Beyond]:
        row = await driver(session).fetchrow(_OUTBOX)
        metrics.OUTBOX_UNSENT_ROWS.set(row["unsent"])
        metrics.OUTBOX_OLDEST_UNSENT_SECONDS.set(row["age_s"])
        return [Beyond(AlarmCode.OUTBOX_BEHIND)] if row["age_s"] > settings.outbox_behind_s else []

    return observe


def bus_observer(conditions: health.Conditions) -> Observer:
    """Who of this process has not reached the bus for longer than BUS_UNREACHABLE_AFTER_S."""

    async def observe(_session: ReadSession) -> Sequence[Beyond]:
        return [Beyond(AlarmCode.BUS_UNREACHABLE, speaker) for speaker in conditions.without_bus()]

    return observe


async def observe_storage(session: ReadSession) -> Sequence[Beyond]:
    """Growth: rows (the server's estimate) and bytes of each table; and the alarms that are open."""
    for row in await driver(session).fetch(_TABLES):
        table = metrics.label(row["relname"])
        metrics.TABLE_ROWS.labels(table).set(row["rows"])
        metrics.TABLE_BYTES.labels(table).set(row["bytes"])
    await alarms.measure(session)
    return ()


class Watch:
    """Looks at the figures of one process. `observers`: name → what to look at."""

    def __init__(self, database: Database, observers: Mapping[str, Observer]) -> None:
        self._database = database
        self._observers = dict(observers)
        self._raised: dict[Beyond, float] = {}

    async def run(self) -> None:
        """Watch for ever; end by cancelling."""
        probing = asyncio.get_running_loop().create_task(_probe_loop())
        try:
            while True:
                await self.look()
                await asyncio.sleep(WATCH_S)
        finally:
            probing.cancel()

    async def look(self) -> None:
        """One look at everything."""
        for name, engine in self._database.pools.items():
            metrics.POOL_CONNECTIONS.labels(name).set(cast(QueuePool, engine.pool).checkedout())
        beyond: set[Beyond] = set()
        for name, observe in self._observers.items():
            try:
                async with self._database.read() as session:
                    beyond |= set(await observe(session))
            except Exception:  # noqa: BLE001 - what cannot be seen now is seen later; the others have their turn
                metrics.SWEEPS_FAILED.labels("watch").inc()
                _log.warning("figures_not_seen", kind=name, exc_info=True)
        self._raise(beyond)

    def _raise(self, beyond: Iterable[Beyond]) -> None:
        now = time.monotonic()
        self._raised = {one: at for one, at in self._raised.items() if one in beyond}
        for one in beyond:
            if now - self._raised.get(one, float("-inf")) >= REMIND_S:
                self._raised[one] = now
                raise_alarm_later(one.code, about=one.about)


async def _probe_loop() -> None:
    """How late the loop runs a timer: the worst of the last WATCH_S."""
    worst, published = 0.0, time.monotonic()
    while True:
        began = time.monotonic()
        await asyncio.sleep(LOOP_PROBE_S)
        now = time.monotonic()
        worst = max(worst, now - began - LOOP_PROBE_S)
        metrics.EVENT_LOOP_LAG_SECONDS.set(worst)
        if now - published > WATCH_S:
            worst, published = 0.0, now


async def operate(
    database: Database,
    settings: CommonSettings,
    *,
    service: str,
    observers: Mapping[str, Observer],
    components: Mapping[str, health.Component] | None = None,
) -> None:
    """What every process does beside its roles, for ever: watches, listens, and writes down its alarms."""
    async with asyncio.TaskGroup() as group:
        group.create_task(alarms.keep_flushing(database))
        group.create_task(Watch(database, observers).run())
        group.create_task(_keep_listening(database, settings, service, components or {}))


async def _keep_listening(
    database: Database, settings: CommonSettings, service: str, components: Mapping[str, health.Component]
) -> None:
    """Serve /metrics and /health on the operator's own port, where one is set."""
    if settings.metrics_port == 0:
        return

    async def answers() -> None:
        async with database.read() as session:
            await clock(session)

    address = {"host": settings.metrics_host, "port": settings.metrics_port}
    while not _is_free(settings.metrics_host, settings.metrics_port):  # the server would end the process, and its door
        _log.warning("operations_port_taken", port=settings.metrics_port)
        await asyncio.sleep(WATCH_S)
    await serve(listener(service, {"database": answers}, components), settings.model_copy(update=address))


def _is_free(host: str, port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listener(
    service: str, checks: Mapping[str, health.Check], components: Mapping[str, health.Component] | None = None
) -> Starlette:
    """The operator's application: no token, no limit on who asks, and nothing about anybody."""

    async def live(_request: Request) -> Response:
        return await health.read_liveness()

    async def figures(_request: Request) -> Response:
        return Response(metrics.exposition(), media_type=metrics.MEDIA_TYPE)

    addresses = {"/health/live": live, "/health/ready": health.read_readiness, "/metrics": figures}
    app = Starlette(routes=[Route(path, answer) for path, answer in addresses.items()])
    app.state.service = service
    app.state.checks, app.state.components = dict(checks), dict(components or {})
    return app


class Measured:
    """ASGI layer: counts each answer by route template, method and class of status, and how long it took."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on and count; an answer that never began counts as `none`."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status, began = _NO_ROUTE, time.monotonic()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = f"{message['status'] // 100}xx"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = metrics.label(getattr(scope.get("route"), "path", _NO_ROUTE))
            method = scope["method"] if scope["method"] in _METHODS else metrics.OTHER
            metrics.HTTP_REQUESTS.labels(route, method, status).inc()
            metrics.HTTP_SECONDS.labels(route, method).observe(time.monotonic() - began)
