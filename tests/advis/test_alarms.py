"""Advis's alarms have their door."""

import httpx2

from tests.advis.world.serving import Advis
from tests.alarming import prove_alarm_door


async def test_an_alarm_is_listed_until_it_is_acknowledged(advis: Advis):
    async def call(method: str, path: str, role: str) -> httpx2.Response:
        return await advis.http.request(method, path, headers=advis.bearer((f"{role}1", None, (role,))))

    await prove_alarm_door(advis.resources.database, call)
