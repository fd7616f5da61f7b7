"""Whether a process answers and whether it can work, told without saying why not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from libs.common import health, log
from libs.common.web import create_app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


async def _well() -> None:
    return None


async def _ill() -> None:
    raise ConnectionError("password of consent is hunter2")


async def _stuck() -> None:
    await asyncio.Event().wait()


def _http(**checks: health.Check) -> httpx2.AsyncClient:
    log.configure("door", "api")
    app = create_app(title="Door", version="1", service="door", lifespan=_lifespan, routers=[], checks=checks)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test")


async def test_a_process_that_can_do_its_work_is_ready() -> None:
    async with _http(database=_well, bus=_well) as http:
        answer = await http.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "failed": []})


async def test_one_failed_check_makes_it_not_ready_and_only_its_name_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    async with _http(database=_ill, bus=_well) as http:
        answer = await http.get("/health/ready")
        live = await http.get("/health/live")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "failed": ["database"]})
    assert live.status_code == 200  # it answers: restarting it would not bring the database back
    written = capfd.readouterr().out
    assert '"error":"ConnectionError"' in written
    assert "hunter2" not in written + answer.text


async def test_a_check_that_hangs_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.01)
    async with _http(bus=_stuck) as http:
        assert (await http.get("/health/ready")).json()["failed"] == ["bus"]


async def test_health_asks_for_no_token() -> None:
    async with _http() as http:
        assert (await http.get("/health/live")).json() == {"status": "live"}
        assert (await http.get("/health/ready")).status_code == 200
