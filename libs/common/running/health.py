"""Liveness and readiness: `/health/live` says the process answers, `/health/ready` that it can do its work.

Not ready (503) is only who cannot do their own synchronous work, named in `failed`. Everything else that is not as it
should be, such as a partition that waits, is a named component with a code: with the bus gone a citizen can still
withdraw, and no door is closed for it (docs/fence.md). The reason is in the log. No token is asked for, so nothing here
may depend on data about people.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from libs.common.http.admission import WAY_TO_STOP
from libs.common.http.door import Router
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import LOOPS_BROKEN
from libs.common.running.alarms import AlarmCode, raise_alarm_later

Check = Callable[[], Awaitable[object]]
Component = Callable[[], Awaitable[str | Mapping[str, str]]]  # its code, or those of the parts that have one
WELL = "ok"
RESTART_MIN_S = 0.2  # before a broken loop begins anew, doubled each time
RESTART_MAX_S = 30.0
STEADY_S = 10.0  # a loop that has run for so long works again
UNREACHABLE, UNKNOWN = "unreachable", "unknown"
BUS_UNREACHABLE_AFTER_S = 60.0  # a bus that is away for longer is an alarm
STUCK_AFTER_S = 60.0  # a partition that waits for longer, or a loop that breaks for longer, is told to people
CHECK_TIMEOUT_S = 2.0

_BUS = "bus:"
_log = get_logger()
router = Router(prefix="/health", tags=["health"])


class Conditions:
    """What does not go as it should in this process right now, by name: for readiness, metrics and alarms.

    A condition begins when the thing first fails and ends when it works again. It is no reason to stop.
    """

    def __init__(self) -> None:
        self._since: dict[str, tuple[float, str]] = {}  # on the monotonic clock, and a code
        self._told: set[str] = set()
        self._reached: set[str] = set()  # who has reached the bus, and does still

    def begin(self, name: str, code: str) -> bool:
        """Say that `name` fails, with a code. True once, when it has done so for longer than STUCK_AFTER_S."""
        since, _ = self._since.setdefault(name, (time.monotonic(), code))
        self._since[name] = (since, code)
        crossed = time.monotonic() - since > STUCK_AFTER_S and name not in self._told
        if crossed:
            self._told.add(name)
        return crossed

    def end(self, name: str) -> None:
        """Say that `name` works."""
        self._since.pop(name, None)
        self._told.discard(name)

    def lasting(self, longer_than_s: float | None = None) -> Mapping[str, str]:
        """Name → code of what has failed for longer than STUCK_AFTER_S, or what is given."""
        limit_s = STUCK_AFTER_S if longer_than_s is None else longer_than_s
        begun = time.monotonic() - limit_s
        return {name: code for name, (since, code) in sorted(self._since.items()) if since <= begun}

    async def component(self) -> Mapping[str, str]:
        """For `app.state.components`: what has failed for long, or nothing."""
        return self.lasting()

    def bus_away(self, speaker: str) -> None:
        """Say that `speaker` (a relay, a consumer's group, a loop) did not reach the bus."""
        self._reached.discard(speaker)
        self.begin(_BUS + speaker, UNREACHABLE)

    def bus_reached(self, speaker: str) -> None:
        """Say that `speaker` reached the bus."""
        self._reached.add(speaker)
        self.end(_BUS + speaker)

    def without_bus(self, longer_than_s: float | None = None) -> list[str]:
        """Who has not reached the bus for longer than BUS_UNREACHABLE_AFTER_S, or what is given."""
        lasting = self.lasting(BUS_UNREACHABLE_AFTER_S if longer_than_s is None else longer_than_s)
        return [name.removeprefix(_BUS) for name in lasting if name.startswith(_BUS)]

    async def bus(self) -> str:
        """For `app.state.components`: what this process's speakers saw last; no request asks the bus itself.

        `unreachable` when one of them did not reach it, `unknown` when none has spoken with it, as in a door's process.
        """
        if self.without_bus(longer_than_s=0):
            return UNREACHABLE
        return WELL if self._reached else UNKNOWN


async def kept_running(name: str, role: Callable[[], Awaitable[None]], conditions: Conditions) -> None:
    """Run `role`, and again whenever it breaks, so that what breaks here ends nothing else of the process.

    For loops that can begin anew from what the database says; never for a door, nor for what settles permits.
    """
    loop = asyncio.get_running_loop()
    delay_s = RESTART_MIN_S
    while True:
        steady = loop.call_later(STEADY_S, conditions.end, f"loop:{name}")
        began = time.monotonic()
        try:
            return await role()
        except Exception:  # noqa: BLE001 - whatever broke: it is logged without its text, counted and begun anew
            conditions.begin(f"loop:{name}", "broken")
            LOOPS_BROKEN.labels(name).inc()
            raise_alarm_later(AlarmCode.LOOP_BROKEN, about=name)
            _log.error("loop_broken", role=name, exc_info=True)
        finally:
            steady.cancel()
        delay_s = RESTART_MIN_S if time.monotonic() - began > STEADY_S else min(RESTART_MAX_S, 2 * delay_s)
        await asyncio.sleep(delay_s)


def _answer(status: int, body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


async def _passes(name: str, check: Check) -> bool:
    """Whether `check` returned, whatever it returned, within CHECK_TIMEOUT_S."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever a check raises means not ready
        _log.warning("check_failed", setting=name, error=type(error).__name__)
        return False
    return True


async def _code(component: Component) -> str | Mapping[str, str]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await component()
    except Exception as error:  # noqa: BLE001 - a component that cannot say how it is is not well
        _log.warning("component_failed", error=type(error).__name__)
        return UNKNOWN


async def _components(components: Mapping[str, Component]) -> dict[str, str]:
    """Name → code; where a component names its parts, they stand beside it."""
    codes = await asyncio.gather(*(_code(component) for component in components.values()))
    told: dict[str, str] = {}
    for name, code in zip(components, codes, strict=True):
        if isinstance(code, str):
            told[name] = code
        else:
            told |= {name: "degraded" if code else WELL, **code}
    return told


@router.get("/live", openapi_extra=WAY_TO_STOP, summary="Read whether the process is alive")
async def read_liveness() -> Response:
    """200 as long as the event loop turns."""
    return _answer(200, {"status": "live"})


@router.get(
    "/ready",
    openapi_extra=WAY_TO_STOP,
    responses={503: {"description": "Not ready"}},
    summary="Read whether the process is ready",
)
async def read_readiness(request: Request) -> Response:
    """200 when every check in `app.state.checks` passes (name → async function that raises if not), else 503.

    `app.state.components` (name → async function): the rest of the process, which never makes it unready.
    """
    checks: dict[str, Check] = request.app.state.checks
    results = await asyncio.gather(*(_passes(name, check) for name, check in checks.items()))
    failed = [name for name, passed in zip(checks, results, strict=True) if not passed]
    components = await _components(request.app.state.components)
    status = "not ready" if failed else "ready"
    return _answer(503 if failed else 200, {"status": status, "failed": failed, "components": components})
