"""Asking over HTTP: the callers who may, and questions in the standard's words."""

from typing import Any
from uuid import UUID

import httpx2

from tests.consent.world import issuer
from tests.consent.world.door import Door
from tests.consent.world.fence_world import CATEGORY, HOLDER_UNIT, PURPOSE, RECIPIENT

GATEWAY = issuer.token("gateway", subject="gateway", client_id="gateway")
HOLDER = issuer.token("source_system", subject="fasit", client_id="fasit", unit=HOLDER_UNIT)
RECEIVER = issuer.token("recipient_system", subject="bcv-system", client_id="bcv-system", unit=RECIPIENT)
CASEWORKER = issuer.token("caseworker", subject="sof101", client_id="pages", unit=RECIPIENT)
STRANGER = issuer.token("caseworker", subject="bif301", client_id="pages", unit="BIF-YDELSE")

ADVIS = issuer.token("advis", subject="advis", client_id="advis")

PATHS = (
    "/access/v1/evaluation",
    "/access/v1/evaluations",
    "/access/v1/search/subject",
    "/access/v1/search/resource",
    "/access/v1/search/action",
)


def subject(unit: str = RECIPIENT) -> dict[str, Any]:
    return {"type": "unit", "id": unit}


def action(purpose: str = PURPOSE) -> dict[str, Any]:
    return {"name": "receive", "properties": {"purpose": purpose}}


def resource(about: UUID | str, category: str = CATEGORY, holder: str = HOLDER_UNIT) -> dict[str, Any]:
    return {"type": "information", "id": f"{about}/{holder}/{category}"}


def question(about: UUID | str, **changes: Any) -> dict[str, Any]:
    """A whole evaluation request; None takes an entity away."""
    made = {"subject": subject(), "action": action(), "resource": resource(about), **changes}
    return {name: value for name, value in made.items() if value is not None}


async def ask(
    door: Door, body: Any, token: str | None = GATEWAY, *, path: str = PATHS[0], **options: Any
) -> httpx2.Response:
    return await door.call("POST", path, token, json=body, **options)


async def decision(door: Door, body: Any, token: str = GATEWAY) -> bool:
    answer = await ask(door, body, token)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"decision"}
    return bool(answer.json()["decision"])


async def decisions(door: Door, body: Any, token: str = GATEWAY) -> list[bool]:
    answer = await ask(door, body, token, path=PATHS[1])
    assert answer.status_code == 200, answer.text
    return [item["decision"] for item in answer.json()["evaluations"]]


async def search(door: Door, sought: str, body: Any, token: str = GATEWAY) -> list[dict[str, Any]]:
    answer = await ask(door, body, token, path=f"/access/v1/search/{sought}")
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results
