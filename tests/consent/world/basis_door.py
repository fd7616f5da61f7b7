"""Bases that need no consent, over HTTP: a caseworker of the holder unit, whose citizen has a case with it."""

from typing import Any
from uuid import UUID, uuid4

import httpx2

from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.fence_door import EVENT, HOLDER_UNIT, acquire, holder, item_for
from tests.consent.world.staff import employee

CASEWORKER = employee("bif101", unit=HOLDER_UNIT)
QUESTION = {"recipient_unit": "SOF-BCV", "purpose": "KOORDINERING", "category": "FREMMOEDE"}


async def known_case(door: Door, by: Citizen, unit: str = HOLDER_UNIT) -> None:
    """The holder unit has an open case about the citizen."""
    kind = unit.partition("-")[0].lower()
    await door.happens(f"{kind}.sag.aabnet", by.borger_id, unit=unit, case_reference=f"{kind.upper()}-26-1")


async def record(
    door: Door, about: UUID, token: str = CASEWORKER, *, key: str | None = None, **changes: Any
) -> httpx2.Response:
    """A basis for the question that these tests ask."""
    body = {
        "borger_id": str(about),
        **QUESTION,
        "legal_basis": "RSL_11A_2",
        "decision_reference": "BIF-26-7",
        **changes,
    }
    return await door.call("POST", "/v1/other-bases", token, json=body, headers={KEY: key or uuid4().hex})


async def emergency(
    door: Door, about: UUID, token: str = CASEWORKER, *, key: str | None = None, **changes: Any
) -> httpx2.Response:
    """An emergency for the same question."""
    body = {
        "borger_id": str(about),
        **QUESTION,
        "reason": "danger_to_the_citizen",
        "decision_reference": "BIF-26-8",
        **changes,
    }
    return await door.call("POST", "/v1/emergencies", token, json=body, headers={KEY: key or uuid4().hex})


async def recorded(door: Door, by: Citizen, **changes: Any) -> str:
    """A basis in force; its id."""
    await known_case(door, by)
    answer = await record(door, by.borger_id, **changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["basis_id"])


async def permitted(door: Door, by: Citizen) -> tuple[str, str]:
    """A disclosure under way: the holder's credential and the permit."""
    _, token = await holder(door)
    item = await item_for(door, by.borger_id)
    answer = await acquire(door, token, item)
    assert [permit["permit_id"] for permit in answer.json()["granted"]] == [item["permit_id"]]
    return token, item["permit_id"]


assert EVENT == "bif.forloeb.udeblevet"  # it reveals FREMMOEDE, which QUESTION is about
