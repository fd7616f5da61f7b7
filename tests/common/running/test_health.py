"""Whether a process answers and whether it can work, told without saying why not."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from libs.common.observing import log
from libs.common.running import health
from libs.common.service.app import create_app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


async def _well() -> None:
    return None


async def _ill() -> None:
    raise ConnectionError("password of consent is hunter2")


async def _stuck() -> None:
    await asyncio.Event().wait()


def _http(components: Mapping[str, health.Component] | None = None, **checks: health.Check) -> httpx2.AsyncClient:
    log.configure("door", "api")
    told = {"checks": checks, "components": components}
    app = create_app(title="Door", service="door", lifespan=_lifespan, routers=[], **told)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test")


async def test_a_process_that_can_do_its_work_is_ready() -> None:
    async with _http(database=_well, bus=_well) as http:
        answer = await http.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "failed": [], "components": {}})


async def test_one_failed_check_makes_it_not_ready_and_only_its_name_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    async with _http(database=_ill, bus=_well) as http:
        answer = await http.get("/health/ready")
        live = await http.get("/health/live")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "not ready", "failed": ["database"], "components": {}},
    )
    assert live.status_code == 200  # it answers: restarting it would not bring the database back
    written = capfd.readouterr().out
    assert '"error":"ConnectionError"' in written
    assert "hunter2" not in written + answer.text


async def test_what_is_not_its_own_synchronous_work_is_a_component_and_leaves_it_ready() -> None:
    """With the bus gone a citizen can still withdraw: nothing may send them away (docs/fence.md)."""

    async def loops() -> Mapping[str, str]:
        return {"case.events/3": "stuck"}

    async def signer() -> str:
        return "refusing"

    parts = {"loops": loops, "signer": signer, "pages": _well_component, "mail": _ill_component}
    async with _http(components=parts, database=_well) as http:
        answer = await http.get("/health/ready")
    assert (answer.status_code, answer.json()["failed"]) == (200, [])
    told = {"loops": "degraded", "case.events/3": "stuck", "signer": "refusing", "pages": "ok", "mail": "unknown"}
    assert answer.json()["components"] == told
    assert "hunter2" not in answer.text


async def _well_component() -> Mapping[str, str]:
    return {}


async def _ill_component() -> str:
    raise ConnectionError("password of consent is hunter2")


async def test_a_check_that_hangs_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.01)
    async with _http(bus=_stuck) as http:
        assert (await http.get("/health/ready")).json()["failed"] == ["bus"]


async def test_health_asks_for_no_token() -> None:
    async with _http() as http:
        assert (await http.get("/health/live")).json() == {"status": "live"}
        assert (await http.get("/health/ready")).status_code == 200
