"""Employees who ask and citizens who answer, over HTTP; and time that passes for everything that is written down."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2

from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.staff import employee

HOLDER, RECIPIENT = "BIF-JOBINDSATS", "SOF-BCV"
ASKED = ("BESKAEFTIGELSESFORLOEB", "FREMMOEDE")
_MOMENTS = {
    "consent": ("requested_at", "answer_by", "given_at", "valid_from", "valid_until", "ceiling_until"),
    "consent_history": ("at",),
    "declaration": ("at",),
    "consent_request": ("requested_at", "answer_by", "reminded_at", "cancelled_at"),
    "case_fact": ("opened_at",),
}


def item(holder: str = HOLDER, recipient: str = RECIPIENT, categories: tuple[str, ...] = ASKED) -> dict[str, Any]:
    return {"holder_unit": holder, "recipient_unit": recipient, "categories": list(categories)}


async def passes(owner_url: str, days: float, *, of: UUID | None = None) -> None:
    """Everything, or everything about one citizen, happened so many days earlier."""
    session = await asyncpg.connect(owner_url.replace("+asyncpg", ""))
    try:
        await shifted(session, days, of=of)
    finally:
        await session.close()


async def shifted(session: asyncpg.Connection, days: float, *, of: UUID | None = None) -> None:
    """As `passes`, in a session of the owner's."""
    async with session.transaction():
        for table, moments in _MOMENTS.items():
            earlier = ", ".join(f"{name} = {name} - make_interval(secs => $1)" for name in moments)
            whose = "borger_id = $2"
            if table in {"consent_history", "declaration"}:
                whose = "consent_id IN (SELECT consent_id FROM consent WHERE borger_id = $2)"
            await session.execute(f"UPDATE {table} SET {earlier} WHERE $2::uuid IS NULL OR {whose}", days * 86_400, of)


@dataclass
class Desk:
    """One door, seen from both sides of the desk."""

    door: Door
    token: str = field(default_factory=employee)

    async def known(self, *units: str, cpr: str | None = None) -> Citizen:
        """A citizen whom these units have a case about."""
        citizen = await self.door.citizen(cpr)
        for unit in units or (RECIPIENT,):
            await self.case(citizen.borger_id, unit)
        return citizen

    async def case(self, borger_id: UUID, unit: str, reference: str = "SOF-26-1", *, closed: bool = False) -> None:
        kind = "lukket" if closed else "aabnet"
        await self.door.happens(f"sof.sag.{kind}", borger_id, unit=unit, case_reference=reference)

    async def ask(self, about: UUID | str, *items: dict[str, Any], **changes: Any) -> httpx2.Response:
        """Ask about somebody, by pseudonym or by number."""
        who = {"borger_id": str(about)} if isinstance(about, UUID) else {"cpr": about}
        token, headers = changes.pop("token", self.token), changes.pop("headers", {})
        body = {
            "citizen": who,
            "purpose": "KOORDINERING",
            "items": list(items) or [item()],
            "language": "da",
            **changes,
        }
        return await self.door.call("POST", "/v1/requests", token, headers={KEY: uuid4().hex, **headers}, json=body)

    async def asked(self, about: UUID | str, *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
        answer = await self.ask(about, *items, **changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def state(self, request: dict[str, Any], **changes: Any) -> tuple[str, str | None]:
        answer = await self.door.call("GET", f"/v1/requests/{request['request_id']}", changes.get("token", self.token))
        assert answer.status_code == 200, answer.text
        return answer.json()["state"], answer.json()["reply"]

    async def turn(self, request: dict[str, Any], act: str, **headers: str | None) -> httpx2.Response:
        """Remind or cancel, from the state as it is read now unless an `If-Match` is given (None: without)."""
        path = f"/v1/requests/{request['request_id']}"
        if "If-Match" not in headers:
            read = await self.door.call("GET", path, self.token)
            headers["If-Match"] = read.headers.get("ETag")
        sent = {name: value for name, value in {KEY: uuid4().hex, **headers}.items() if value is not None}
        return await self.door.call("POST", f"{path}:{act}", self.token, headers=sent)

    async def waiting(self, by: Citizen, about: UUID | None = None) -> list[dict[str, Any]]:
        answer = await self.door.call("GET", f"/v1/citizens/{about or by.borger_id}/requests", by.token)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    async def answer(
        self, by: Citizen, request: dict[str, Any], *choices: dict[str, Any], about: UUID | None = None, **changes: Any
    ) -> httpx2.Response:
        """Say yes or no to the items in their order; `yes`, `no` and `later` make the choices."""
        [shown] = [one for one in await self.waiting(by, about) if one["request_id"] == request["request_id"]]
        items = [one["item_id"] for one in shown["items"] if one["open"]]
        headers = {KEY: changes.pop("key", uuid4().hex)}
        body = {
            "items": [{"item_id": item_id, **choice} for item_id, choice in zip(items, choices, strict=False)],
            "language": "da",
            "text_sha256": shown["text"]["languages"]["da"]["sha256"],
            **changes,
        }
        body = {name: value for name, value in body.items() if value is not None}
        return await self.door.call("POST", shown["answer_path"], by.token, headers=headers, json=body)

    async def decline(self, by: Citizen, request: dict[str, Any], *, about: UUID | None = None) -> httpx2.Response:
        path = f"/v1/citizens/{about or by.borger_id}/requests/{request['request_id']}:decline"
        return await self.door.call("POST", path, by.token)


def yes(*categories: str, **changes: Any) -> dict[str, Any]:
    return {"answer": "accept", "categories": list(categories or ASKED), **changes}


NO: dict[str, Any] = {"answer": "decline"}
LATER: dict[str, Any] = {"answer": "leave_open"}
