"""Quotas, requests in flight and time; and that none of them applies to a way to stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request

from libs.common.http import admission as http_admission
from libs.common.http.admission import WAY_TO_STOP, Admission, Limits, Reserve, releasing, stopping
from libs.common.http.auth import Principal, require
from libs.common.http.door import Router
from libs.common.http.problems import QuotaError
from libs.common.service.app import create_app
from tests.common.world.tokens import Issuer

router = Router()
Somebody = Annotated[Principal, Depends(require("caseworker", "source_system"))]


@router.get("/things")
async def read(caller: Somebody) -> dict[str, str]:
    return {"caller": caller.subject}


@router.post("/things")
async def write(caller: Somebody) -> dict[str, str]:
    return {"caller": caller.subject}


@router.post("/things:stop", openapi_extra=WAY_TO_STOP)
async def stop(caller: Somebody) -> dict[str, str]:
    return {"caller": caller.subject}


@router.get("/slow")
async def slow(request: Request, _caller: Somebody) -> dict[str, bool]:
    request.app.state.begun.release()
    await request.app.state.go_on.wait()
    return {"done": True}


@router.post("/slow:stop", openapi_extra=WAY_TO_STOP)
async def slow_stop(request: Request, _caller: Somebody) -> dict[str, bool]:
    await request.app.state.go_on.wait()
    return {"done": True}


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def _door(issuer: Issuer, **limits: Any) -> httpx2.AsyncClient:
    app = create_app(title="Door", service="door", lifespan=_nothing, routers=[router], limits=Limits(**limits))
    app.state.verifier = issuer.verifier()
    app.state.begun, app.state.go_on = asyncio.Semaphore(0), asyncio.Event()
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test")


def _app(http: httpx2.AsyncClient) -> FastAPI:
    return http._transport.app  # type: ignore[attr-defined, no-any-return]


def _as(issuer: Issuer, subject: str = "bif101", role: str = "caseworker") -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(sub=subject, roles=[role])}"}


async def test_beyond_ones_quota_it_is_429_until_the_quota_is_whole_and_others_have_their_own(issuer: Issuer) -> None:
    async with _door(
        issuer, quota_reads_per_minute=2, quota_writes_per_minute=1, quota_system_calls_per_minute=4
    ) as http:
        reads = [(await http.get("/things", headers=_as(issuer))) for _ in range(3)]
        assert [answer.status_code for answer in reads] == [200, 200, 429]
        assert reads[-1].json() == {
            "type": "urn:samtykkebro:problem:too-many-requests", "title": "Too many requests", "status": 429,
        }  # fmt: skip
        assert 1 <= int(reads[-1].headers["Retry-After"]) <= 61
        writes = [(await http.post("/things", headers=_as(issuer))).status_code for _ in range(2)]
        assert writes == [200, 429]
        assert (await http.get("/things", headers=_as(issuer, "bif102"))).status_code == 200
        system = _as(issuer, "fasit", "source_system")
        mixed = [(await http.request(m, "/things", headers=system)).status_code for m in ("GET", "POST") * 3]
        assert mixed == [200, 200, 200, 200, 429, 429]


async def test_a_way_to_stop_is_never_429_while_everything_else_of_the_caller_is(issuer: Issuer) -> None:
    async with _door(issuer, quota_reads_per_minute=1, quota_writes_per_minute=1) as http:
        for _ in range(3):
            await http.post("/things", headers=_as(issuer))
            await http.get("/things", headers=_as(issuer))
        assert (await http.post("/things", headers=_as(issuer))).status_code == 429
        for _ in range(20):
            assert (await http.post("/things:stop", headers=_as(issuer))).status_code == 200


async def test_the_newest_is_shed_and_never_a_way_to_stop(issuer: Issuer) -> None:
    async with _door(issuer, requests_in_flight_max=2) as http:
        loop, headers = asyncio.get_running_loop(), _as(issuer)
        held = [loop.create_task(http.get("/slow", headers=headers)) for _ in range(2)]
        stops = [loop.create_task(http.post("/slow:stop", headers=headers)) for _ in range(5)]
        for _ in held:
            await _app(http).state.begun.acquire()
        shed = await http.get("/things", headers=headers)
        assert (shed.status_code, shed.headers["Retry-After"]) == (503, "1")
        assert (await http.get("/things")).status_code == 503  # before the token is looked at
        assert (await http.post("/things:stop", headers=headers)).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200
        _app(http).state.go_on.set()
        assert {(await task).status_code for task in (*held, *stops)} == {200}
        assert (await http.get("/things", headers=headers)).status_code == 200


async def test_a_request_ends_in_time_and_a_way_to_stop_does_not(issuer: Issuer) -> None:
    async with _door(issuer, request_timeout_s=0.05) as http:
        stop = asyncio.get_running_loop().create_task(http.post("/slow:stop", headers=_as(issuer)))
        answer = await http.get("/slow", headers=_as(issuer))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        _app(http).state.go_on.set()
        assert (await stop).status_code == 200


async def test_a_flood_of_bad_tokens_ends_for_what_is_limited_and_not_for_a_way_to_stop(issuer: Issuer) -> None:
    async with _door(issuer, refused_tokens_per_minute=5) as http:
        known = _as(issuer)
        assert (await http.get("/things", headers=known)).status_code == 200
        bad = {"Authorization": f"Bearer {issuer.token(aud='elsewhere')}"}
        for _ in range(10):
            await http.get("/things", headers=bad)
        assert (await http.get("/things", headers=bad)).status_code == 429
        assert (await http.get("/things", headers=known)).status_code == 200  # verified a moment ago
        assert (await http.post("/things:stop", headers=_as(issuer, "bif103"))).status_code == 200  # a new one
        assert (await http.post("/things:stop", headers=bad)).status_code == 401


@pytest.mark.parametrize("second", range(0, 60, 7))
def test_a_minute_is_any_minute_and_not_the_clocks(second: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of one minute at its end and all of the next at its beginning would be twice the quota in a moment."""
    clock = [1_000_000_020.0 + second]  # a whole minute, and something
    monkeypatch.setattr(http_admission.time, "time", lambda: clock[0])
    admission, moments, waits = Admission(Limits(quota_reads_per_minute=10)), [], set()
    for _ in range(2_000):
        clock[0] += 0.1
        try:
            admission.count("bif101", "read")
        except QuotaError as error:
            waits.add(int(error.headers["Retry-After"]))
        else:
            moments.append(clock[0])
    assert len(moments) >= 30
    assert waits <= set(range(1, 62))
    assert all(after - before >= 60 for before, after in zip(moments, moments[10:], strict=False))


def test_what_is_remembered_of_callers_is_bounded() -> None:
    admission = Admission(Limits(quota_callers_max=100, quota_reads_per_minute=1))
    for number in range(10_000):
        admission.count(f"caller{number}", "read")
    assert len(admission.counts) == 100
    with pytest.raises(QuotaError):
        admission.count("caller9999", "read")


async def test_what_releases_takes_the_turn_that_ways_to_stop_leave() -> None:
    reserve = Reserve(size=4, reserved=2, wait_s=0.02)
    mark = stopping.set(True)
    async with reserve.turn(), reserve.turn(), reserve.turn():
        with pytest.raises(TimeoutError):
            async with reserve.turn():
                pass
        with releasing():
            async with reserve.turn():
                pass
    stopping.reset(mark)
    async with reserve.turn(), reserve.turn():
        pass


async def test_a_way_to_stop_takes_the_turns_that_others_leave() -> None:
    reserve = Reserve(size=3, reserved=1, wait_s=0.02)
    async with reserve.turn(), reserve.turn():
        with pytest.raises(TimeoutError):
            async with reserve.turn():
                pass
        mark = stopping.set(True)
        async with reserve.turn():
            pass
        stopping.reset(mark)
    async with reserve.turn():
        pass
