"""Liveness and readiness: `/health/live` says the process answers, `/health/ready` that it can do its work.

Readiness names the checks that failed and nothing about why: the reason is in the log. No token is asked for,
so nothing here may depend on data about people.
"""

import asyncio
from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response

from libs.common.admission import WAY_TO_STOP
from libs.common.door import Router
from libs.common.log import get_logger

Check = Callable[[], Awaitable[object]]
CHECK_TIMEOUT_S = 2.0

_log = get_logger()
router = Router(prefix="/health", tags=["health"])


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


@router.get("/live", openapi_extra=WAY_TO_STOP, summary="The process answers")
async def live() -> Response:
    """200 as long as the event loop turns."""
    return _answer(200, {"status": "live"})


@router.get(
    "/ready",
    openapi_extra=WAY_TO_STOP,
    summary="The process can do its work",
    responses={503: {"description": "Not ready"}},
)
async def ready(request: Request) -> Response:
    """200 when every check in `app.state.checks` passes (name → async function that raises if not), else 503."""
    checks: dict[str, Check] = request.app.state.checks
    results = await asyncio.gather(*(_passes(name, check) for name, check in checks.items()))
    failed = [name for name, passed in zip(checks, results, strict=True) if not passed]
    return _answer(503 if failed else 200, {"status": "not ready" if failed else "ready", "failed": failed})
