"""Audit's alarms have their door."""

import httpx2

from libs.common.database.database import Database
from services.audit.settings import Settings
from tests.alarming import prove_alarm_door
from tests.audit.world.doors import bearer, door


async def test_an_alarm_is_listed_until_it_is_acknowledged(settings: Settings, database: Database):
    async with door(settings) as client:

        async def call(method: str, path: str, role: str) -> httpx2.Response:
            return await client.request(method, path, headers=bearer(role))

        await prove_alarm_door(database, call)
