"""The operator's listener and what it shows: figures with closed labels only, readiness, and alarms beyond limits."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

from libs.common.database.database import Database, driver
from libs.common.http.door import Router
from libs.common.http.problems import InvalidError
from libs.common.observing import metrics
from libs.common.observing.metrics import REGISTRY, label
from libs.common.running import alarms
from libs.common.running.alarms import AlarmCode
from libs.common.running.operations import REMIND_S, Beyond, Watch, listener, observe_storage, outbox_observer
from libs.common.running.settings import CommonSettings
from libs.common.service.app import create_app

REQUIRED = {"database_url": "none", "bus_url": "none", "issuer_url": "none", "audience": "none"}
CANARY = "91" + "0290" + "1234"
ID = "0b8b3c26-5d1c-4f0e-9d3c-1f2a3b4c5d6e"
router = Router()


@router.get("/v1/things/{thing_id}")
async def thing(thing_id: str) -> dict[str, str]:
    return {"thing": thing_id}


@router.get("/v1/refused/{thing_id}")
async def refused(thing_id: str) -> None:
    raise InvalidError("thing", "is not one")


@asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


def http(app: FastAPI | Starlette) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test")


def labels() -> set[str]:
    """Every value of every label that is shown now."""
    return {value for family in REGISTRY.collect() for sample in family.samples for value in sample.labels.values()}


async def test_an_answer_is_counted_by_its_route_and_never_by_what_stood_in_its_place():
    app = create_app(title="Door", service="door", lifespan=nothing, routers=[router])
    async with http(app) as client:
        for path in (f"/v1/things/{ID}", f"/v1/refused/{ID}", f"/v1/nowhere/{CANARY}", f"/{CANARY}?a={ID}"):
            await client.get(path)
        await client.request("SPY" + CANARY, f"/v1/things/{CANARY}")
    text = metrics.exposition().decode()
    assert 'samtykkebro_http_requests_total{method="GET",route="/v1/things/{thing_id}",status="2xx"}' in text
    assert 'samtykkebro_http_requests_total{method="GET",route="/v1/refused/{thing_id}",status="4xx"}' in text
    assert 'samtykkebro_http_requests_total{method="GET",route="none",status="4xx"}' in text
    assert 'samtykkebro_refusals_total{kind="invalid"}' in text
    assert CANARY not in text
    assert ID not in text


@pytest.mark.parametrize(
    "value", [CANARY, f"ref{CANARY}", ID, f"/v1/{ID}", "Jens Hansen", "a b", "x\n", "", "æ", "1990"]
)
def test_what_may_hold_a_person_or_an_id_is_no_label(value: str):
    assert label(value) == "other"


@pytest.mark.parametrize(
    "value", ["/v1/citizens/{borger_id}/consents", "case.events.http", "bus_record", "not_its_type"]
)
def test_a_code_of_ours_is_a_label(value: str):
    assert label(value) == value


async def test_the_listener_shows_figures_and_readiness_and_nothing_else():
    async def well() -> None:
        return None

    async def ill() -> None:
        raise ConnectionError

    async with http(listener("audit", {"database": well})) as client:
        assert (await client.get("/health/ready")).status_code == 200
        figures = await client.get("/metrics")
        assert figures.headers["content-type"].startswith("text/plain")
        assert "process_cpu_seconds_total" in figures.text
        assert "python_info" not in figures.text
        assert (await client.get("/openapi.json")).status_code == 404
    async with http(listener("audit", {"database": ill})) as client:
        assert (await client.get("/health/ready")).status_code == 503
        assert (await client.get("/health/live")).status_code == 200


async def test_the_public_door_shows_no_figures():
    app = create_app(title="Door", service="door", lifespan=nothing, routers=[router])
    async with http(app) as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_an_outbox_that_stands_still_is_seen_and_is_an_alarm(database: Database):
    observe = outbox_observer(CommonSettings(**REQUIRED, outbox_behind_s=60))
    async with database.write() as session:
        await driver(session).execute(
            "INSERT INTO outbox_lane (lane, generation, numbered, sent) VALUES (1, 1, 2, 1);"
            "INSERT INTO outbox (topic, key, lane, event_id, type, headers, payload, created_at, generation, number)"
            " VALUES ('t', 'k', 1, 'sent', 'y', '[]', '', now() - interval '1 day', 1, 1),"
            " ('t', 'k', 1, 'numbered', 'y', '[]', '', now() - interval '90 seconds', 1, 2),"
            " ('t', 'k', 1, 'fresh', 'y', '[]', '', now(), NULL, NULL)"
        )
    async with database.read() as session:
        assert await observe(session) == [Beyond(AlarmCode.OUTBOX_BEHIND)]
    assert metrics.OUTBOX_UNSENT_ROWS._value.get() == 2
    assert 89 < metrics.OUTBOX_OLDEST_UNSENT_SECONDS._value.get() < 200
    async with database.write() as session:
        await driver(session).execute("UPDATE outbox_lane SET sent = 2")
    async with database.read() as session:
        assert await observe(session) == []
    assert metrics.OUTBOX_UNSENT_ROWS._value.get() == 1


async def test_growth_is_shown_by_table(database: Database):
    async with database.read() as session:
        await observe_storage(session)
    assert metrics.TABLE_BYTES.labels("outbox")._value.get() > 0
    assert re.search(r'samtykkebro_table_rows\{table="inbox"\}', metrics.exposition().decode())


async def test_an_alarm_is_raised_at_once_and_again_only_after_a_while(database: Database, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("libs.common.running.operations.time.monotonic", lambda: now[0])

    async def beyond(_session: object) -> list[Beyond]:
        return [Beyond(AlarmCode.DRAIN_OVERDUE)]

    async def broken(_session: object) -> list[Beyond]:
        raise ValueError

    alarms._PENDING.take()
    watch = Watch(database, {"broken": broken, "beyond": beyond})
    for seconds, raised in ((0, 1), (5, 0), (REMIND_S, 1)):
        now[0] += seconds
        await watch.look()
        assert alarms._PENDING.take() == ({(AlarmCode.DRAIN_OVERDUE, ""): raised} if raised else {})
