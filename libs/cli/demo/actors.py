"""Who takes part, each speaking only the HTTP that a person's pages or a caseworker system would speak."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2

JSON = dict[str, Any]
PATIENCE_S = 20.0  # how long a caller tries again while a service is away
AWAY = frozenset({502, 503, 504})


class UnexpectedAnswerError(Exception):
    """A service answered otherwise than the story needs: the demo stops and says what came back."""


@dataclass(frozen=True)
class Door:
    """One service seen by one person: its address, their token. Every call returns the whole response."""

    http: httpx2.AsyncClient
    url: str
    token: str

    async def call(
        self, method: str, path: str, body: JSON | list[JSON] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send one request, once. Raises httpx2.TransportError when the service cannot be reached."""
        sent = {"authorization": f"Bearer {self.token}", **(headers or {})}
        return await self.http.request(method, self.url + path, json=body, headers=sent)

    async def patiently(
        self, method: str, path: str, body: JSON | list[JSON] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """As `call`, but a service that is away is asked again: every call here may be repeated without harm."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                response = await self.call(method, path, body, headers)
            except httpx2.TransportError:
                if time.monotonic() > end:
                    raise
            else:
                if response.status_code not in AWAY or time.monotonic() > end:
                    return response
            await asyncio.sleep(0.1)

    async def get(self, path: str, **headers: str) -> JSON:
        """The body of a `200`. Header names are given with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return expect(await self.patiently("GET", path, None, named), 200)

    async def post(self, path: str, body: JSON | None = None, *, status: int = 200, **headers: str) -> JSON:
        """The body of an answer with exactly this status. Header names are given with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return expect(await self.patiently("POST", path, body, named), status)


def expect(response: httpx2.Response, status: int) -> JSON:
    """The JSON body, when the status is the one expected. Raises UnexpectedAnswerError otherwise."""
    if response.status_code != status:
        where = f"{response.request.method} {response.request.url.path}"
        raise UnexpectedAnswerError(f"{where}: {response.status_code} instead of {status}: {response.text[:600]}")
    answer: JSON = response.json()
    return answer


@dataclass(frozen=True)
class Citizen:
    """A person at the consent service. `wards` are the children they hold custody of."""

    name: str
    borger_id: str
    consent: Door
    receipts: list[str] = field(default_factory=list)

    async def grant(
        self,
        purpose: str,
        holder: str,
        recipient: str,
        categories: Sequence[str],
        *,
        about: str | None = None,
        **more: Any,
    ) -> JSON:
        """Read the text, then consent to exactly these categories. Returns {consent, receipt}; keeps the receipt."""
        path = f"/v1/citizens/{about or self.borger_id}/consents"
        body = await self.form(purpose, holder, recipient, categories) | more
        answer = await self.consent.post(path, body, status=201, idempotency_key=secrets.token_hex(16))
        self.receipts.append(answer["receipt"])
        return answer

    async def form(self, purpose: str, holder: str, recipient: str, categories: Sequence[str]) -> JSON:
        """A consent as the page would send it: exactly these categories, under the Danish text in force."""
        catalogue = await self.consent.get("/v1/catalogue")
        shown = next(p["text"] for p in catalogue["purposes"] if p["code"] == purpose)
        text = next(t["languages"]["da"] for t in catalogue["texts"] if t["code"] == shown)
        special = {c["code"] for c in catalogue["categories"] if c["special"]}
        return {
            "purpose": purpose,
            "holder_unit": holder,
            "recipient_unit": recipient,
            "categories": list(categories),
            "language": "da",
            "text_sha256": text["sha256"],
            "affirmed_special": sorted(special & set(categories)),
        }

    async def withdraw(self, consent_id: str) -> "Withdrawn":
        """Withdraw and wait for the `200`. Raises UnexpectedAnswerError when it is answered otherwise."""
        path = f"/v1/citizens/{self.borger_id}/consents/{consent_id}:withdraw"
        response = await self.consent.patiently("POST", path, None, {"idempotency-key": secrets.token_hex(16)})
        statuses = [response.status_code]
        if response.status_code in {200, 202}:
            self.receipts.append(response.json()["receipt"])
        while response.status_code == 202:
            await asyncio.sleep(0.05)
            response = await self.consent.patiently("GET", response.headers.get("location", path))
            statuses.append(response.status_code)
        return Withdrawn(tuple(statuses), expect(response, 200)["drained_at"])


@dataclass(frozen=True)
class Withdrawn:
    """How a withdrawal was answered: the statuses on the way, `202` among them if it waited, and when it drained."""

    statuses: tuple[int, ...]
    drained_at: str


@dataclass(frozen=True)
class Caseworker:
    """A member of staff at the advis service, in the one unit that their token names."""

    employee: str
    unit: str
    advis: Door

    async def inbox(self, query: str = "") -> list[JSON]:
        """What the inbox shows now: every item has just taken a permit."""
        items: list[JSON] = (await self.advis.get(f"/v1/inbox{query}"))["items"]
        return items


@dataclass(frozen=True)
class SourceSystem:
    """A line-of-business system: it knows CPR numbers, asks for the pseudonym, and emits case events."""

    name: str
    consent: Door
    advis: Door

    async def resolve(self, cpr: str) -> str:
        """The borger_id of a CPR number: over TLS in production, audited always."""
        borger_id: str = (await self.consent.post("/v1/citizens:resolve", {"cpr": cpr}))["borger_id"]
        return borger_id

    async def emit(self, event: JSON) -> None:
        """Hand one CloudEvent to the ingestion that production uses; repeated until it is accepted."""
        form = {"content-type": "application/cloudevents+json"}
        expect(await self.advis.patiently("POST", "/v1/case-events", event, form), 202)

    def event(self, kind: str, about: str, unit: str, **data: Any) -> JSON:
        """A case event about one person, as this system words it (CloudEvents 1.0, structured form)."""
        return {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": f"urn:samtykkebro:source:{self.name}",
            "type": kind,
            "subject": about,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            "data": {"unit": unit, **data},
        }
