"""What the journeys share: one HTTP client, and the operator's own door."""

import asyncio
import os
from collections.abc import AsyncIterator

import httpx2
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from libs.cli.bus.topics import TOPICS
from libs.cli.demo.actors import Door
from libs.cli.issuer.login import client_token
from libs.cli.running.up import System
from libs.common.bus.port import load_topics


@pytest.fixture
async def http_client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=15) as client:
        yield client


@pytest.fixture
def operator_door(http_client: httpx2.AsyncClient):
    async def door(system: System) -> Door:
        operator = system.clients["operator"]
        token = await client_token(system.urls["issuer"], operator.client_id, operator.client_secret, "consent")
        return Door(http_client, system.urls["consent"], token)

    return door


@pytest.fixture
async def broker(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker with nothing on it: the system starts its own, unless KAFKA_BOOTSTRAP_SERVERS names one to be emptied.

    It depends on `kafka`, which skips loudly, or fails where REQUIRE_KAFKA=1, when no broker can be had.
    """
    if not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return
    monkeypatch.setenv("SAMTYKKEBRO_BUS_URL", f"kafka://{kafka}")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        ours = {topic.name for topic in load_topics(TOPICS)}
        await admin.delete_topics(sorted(ours & set(await admin.list_topics())))
        while ours & set(await admin.list_topics()):
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
