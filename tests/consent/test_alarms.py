"""Consent's alarms have their door."""

import httpx2

from tests.alarming import prove_alarm_door
from tests.consent.world import issuer
from tests.consent.world.door import Door


async def test_an_alarm_is_listed_until_it_is_acknowledged(door: Door):
    async def call(method: str, path: str, role: str) -> httpx2.Response:
        return await door.call(method, path, issuer.token(role, subject=f"{role}1"))

    await prove_alarm_door(door.app.state.database, call)
