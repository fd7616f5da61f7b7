"""The fence over HTTP: a citizen, a supervisor, a holder and `advis`, each with their own credential."""

from typing import Any
from uuid import UUID, uuid4

import httpx2

from tests.consent.world import issuer
from tests.consent.world.door import Citizen, Door
from tests.consent.world.fence_world import EVENT, HOLDER_UNIT

ADVIS = issuer.token("advis", subject="advis", client_id="advis")
OPERATOR = issuer.token("operator", subject="op1", client_id="samtykkebro")
SLOT = "up/advis-api"


def supervisor(client_id: str = "up") -> str:
    return issuer.token("supervisor", subject=client_id, client_id=client_id)


async def holder(door: Door, slot: str = SLOT) -> tuple[UUID, str]:
    """A registered incarnation: its id and its credential."""
    holder_id = uuid4()
    body = {"holder_id": str(holder_id), "slot": slot}
    answer = await door.call("POST", "/v1/holders", supervisor(slot.partition("/")[0]), json=body)
    assert answer.status_code == 201, answer.text
    return holder_id, answer.json()["token"]


def event(about: UUID, **changes: Any) -> dict[str, Any]:
    """A case event as advis received it."""
    return {
        "event_id": str(uuid4()),
        "type": EVENT,
        "borger_id": str(about),
        "holder_unit": HOLDER_UNIT,
        "occurred_at": "2026-11-22T10:00:00Z",
        "position": {"topic": "case.events", "partition": 0, "offset": 0},
        **changes,
    }


async def arrive(door: Door, *events: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await door.call("POST", "/v1/arrivals", ADVIS, json={"items": list(events)})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def item_for(door: Door, about: UUID) -> dict[str, Any]:
    """What advis asks for when its caseworker opens the notification of an event that arrives now."""
    arrived = event(about)
    (answer,) = await arrive(door, arrived)
    (opening,) = answer["openings"]
    return {
        "permit_id": str(uuid4()),
        "notification_id": str(uuid4()),
        "kind": "inbox",
        "actor": "sof201",
        "event_type": arrived["type"],
        "holder_unit": arrived["holder_unit"],
        "recipient_unit": opening["recipient_unit"],
        "purpose": opening["purpose"],
        "reveals": opening["reveals"],
    }


async def acquire(door: Door, token: str, *items: dict[str, Any]) -> httpx2.Response:
    return await door.call("POST", "/v1/permits:acquire", token, json={"items": list(items)})


async def settle(door: Door, token: str, *permit_ids: str, outcome: str = "disclosed") -> httpx2.Response:
    items = [{"permit_id": permit_id, "outcome": outcome} for permit_id in permit_ids]
    return await door.call("POST", "/v1/permits:settle", token, json={"items": items})


async def granted(door: Door, by: Citizen) -> str:
    """A consent in force; its id."""
    answer = await door.grant(by)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["consent"]["consent_id"])


async def in_flight(door: Door, by: Citizen) -> tuple[str, str, str]:
    """A consent with a disclosure under way: consent, holder's credential, permit."""
    consent_id = await granted(door, by)
    _, token = await holder(door)
    item = await item_for(door, by.borger_id)
    answer = await acquire(door, token, item)
    assert [permit["permit_id"] for permit in answer.json()["granted"]] == [item["permit_id"]]
    return consent_id, token, item["permit_id"]


async def withdraw(door: Door, by: Citizen, consent_id: str, **headers: str) -> httpx2.Response:
    path = f"/v1/citizens/{by.borger_id}/consents/{consent_id}:withdraw"
    return await door.call("POST", path, by.token, headers=headers)


async def refuse(door: Door, by: Citizen, **changes: Any) -> httpx2.Response:
    body = {"purpose": "KOORDINERING", "recipient_unit": "SOF-BCV", **changes.pop("json", {})}
    return await door.call("POST", f"/v1/citizens/{by.borger_id}/refusals", by.token, json=body, headers=changes)
