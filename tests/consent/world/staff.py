"""Employees at consent's door: their tokens, and what they do for citizens."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from services.consent.model.calendar import danish_date
from tests.consent.world import issuer
from tests.consent.world.door import KEY, Citizen, Door

TODAY = danish_date(datetime.now(UTC))
DAY = timedelta(days=1)


def employee(name: str = "sof101", role: str = "caseworker", unit: str | None = "SOF-BCV", **claims: Any) -> str:
    """An employee's token, in the unit they act in now (R37)."""
    return issuer.token(role, subject=name, **{"unit": unit, "acr": "Substantial", **claims})


FIRST = employee()
SECOND = employee("sof102")
ELSEWHERE = employee("bif101", unit="BIF-JOBINDSATS")
SERVICE = employee("kk101", role="citizen_service", unit="SOF-BCH")


async def record(door: Door, citizen: Citizen, representative: Citizen, /, *, by: str = FIRST, **changes: Any):
    """Somebody's authority for a citizen, proposed; `changes` to the body."""
    body = {
        "citizen": {"cpr": citizen.cpr},
        "representative": {"cpr": representative.cpr},
        "kind": "fuldmagt",
        "valid_from": str(TODAY - DAY),
        "evidence": "SOF-26-1",
        **changes,
    }
    headers = {KEY: uuid4().hex}
    return await door.call("POST", "/v1/authorities", by, headers=headers, json=body)


async def decide(
    door: Door, authority_id: str, step: str, *, by: str = SECOND, tag: str | None = "*", **headers: str
) -> httpx2.Response:
    """Confirm, reject or end it."""
    sent = {KEY: uuid4().hex, **({} if tag is None else {"If-Match": tag}), **headers}
    return await door.call("POST", f"/v1/authorities/{authority_id}:{step}", by, headers=sent)


async def authorised(door: Door, citizen: Citizen, representative: Citizen, **changes: Any) -> str:
    """An authority in force; its id."""
    proposed = await record(door, citizen, representative, **changes)
    assert proposed.status_code == 201, proposed.text
    authority_id = proposed.json()["authority_id"]
    confirmed = await decide(door, authority_id, "confirm")
    assert confirmed.status_code == 200, confirmed.text
    assert confirmed.json()["status"] == "active"
    return str(authority_id)
