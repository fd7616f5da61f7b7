"""Consent's HTTP door over a real database, for the API tests. No server, no network; everything else is real."""

import base64
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
from fastapi import FastAPI
from joserfc.jwk import OKPKey

from libs.common.http.admission import Admission
from services.consent.app import create, opening, parts_of
from services.consent.lifecycle import corrections
from services.consent.lifecycle.facts import Fact
from services.consent.settings import Settings
from tests.consent.world import issuer
from tests.consent.world.people import adult
from tests.declared import hooks
from tests.unlimited import QUOTAS

KEY = "Idempotency-Key"
_UNUSED: list[FastAPI] = []  # a door's routes are made once: that takes a third of a second, and they keep nothing
REPEATS_MAX = 5


def write_keys(folder: Path) -> None:
    """The secrets as `samtykkebro` makes them for development."""

    def key(size: int = 32) -> str:
        return base64.b64encode(os.urandom(size)).decode()

    cpr = {"lookup": {"1": key()}, "encryption": {"1": key()}, "active": "1"}
    (folder / "cpr-keys.json").write_text(json.dumps(cpr))
    (folder / "cursor-keys.json").write_text(json.dumps({"keys": [key(64)]}))
    signing = OKPKey.generate_key("Ed25519", {"kid": "receipts-1"}).as_dict(private=True)
    (folder / "receipt-keys.json").write_text(json.dumps({"keys": [signing]}))


@dataclass
class Citizen:
    """Somebody logged in. `borger_id` is known after `Door.citizen`."""

    cpr: str
    borger_id: UUID
    token: str


@dataclass
class Door:
    """The application, a client without a network, and a look into the database that no caller has."""

    app: FastAPI
    client: httpx2.AsyncClient
    dsn: str
    shown: dict[str, Any] = field(default_factory=dict)

    async def call(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx2.Response:
        """One call; a 503 is repeated with the same ids, as it asks: a starved machine loses its transaction."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        for _ in range(REPEATS_MAX):
            answer = await self.client.request(method, path, headers=headers, **options)
            if answer.status_code != 503:
                break
        return answer

    async def citizen(self, cpr: str | None = None, **claims: Any) -> Citizen:
        """Log somebody in; the first time makes them known."""
        number = cpr or adult()
        bearer = issuer.citizen(number, **claims)
        answer = await self.call("GET", "/v1/me", bearer)
        assert answer.status_code == 200, answer.text
        return Citizen(number, UUID(answer.json()["borger_id"]), bearer)

    async def text(self, code: str, language: str = "da") -> Mapping[str, Any]:
        """What the catalogue says is to be shown."""
        if not self.shown:
            answer = await self.call("GET", "/v1/catalogue", issuer.token("source_system"))
            self.shown = {text["code"]: text for text in answer.json()["texts"]}
        return self.shown[code]["languages"][language]

    async def body(self, **changes: Any) -> dict[str, Any]:
        """Peter's consent of the story (001:501), with changes; None takes a field away."""
        made = {
            "purpose": "KOORDINERING",
            "holder_unit": "BIF-JOBINDSATS",
            "recipient_unit": "SOF-BCV",
            "categories": ["BESKAEFTIGELSESFORLOEB", "FREMMOEDE"],
            "language": "da",
            **changes,
        }
        if "text_sha256" not in made:
            made["text_sha256"] = (await self.text(made["purpose"], made["language"]))["sha256"]
        return {name: value for name, value in made.items() if value is not None}

    async def grant(
        self, by: Citizen, about: UUID | None = None, *, key: str | None = None, **changes: Any
    ) -> httpx2.Response:
        path = f"/v1/citizens/{about or by.borger_id}/consents"
        headers = {KEY: key or uuid4().hex}
        return await self.call("POST", path, by.token, headers=headers, json=await self.body(**changes))

    async def happens(self, kind: str, about: UUID, **data: Any) -> None:
        """A life-cycle event, as the consumer hands it on."""
        fact = Fact(
            type=kind,
            borger_id=about,
            at=data.pop("at", datetime.now(UTC)),
            unit=data.pop("unit", "SOF-BCV"),
            case_reference=data.pop("case_reference", None),
            custody_holders=data.pop("custody_holders", None),
        )
        async with self.app.state.database.write() as session:
            await corrections.hear(session, self.app.state.signer, ("test|urn:test", uuid4().hex), fact)

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        session = await asyncpg.connect(self.dsn)
        try:
            return await session.fetch(query, *arguments)
        finally:
            await session.close()

    async def told(self, topic: str) -> list[tuple[str, dict[str, Any]]]:
        """What is in the outbox for a topic: type and data, in order."""
        rows = await self.rows("SELECT type, payload FROM outbox WHERE topic = $1 ORDER BY id", topic)
        return [(row["type"], json.loads(row["payload"])) for row in rows]


@asynccontextmanager
async def opened(database_url: str, secrets: Path, **settings: Any) -> AsyncIterator[Door]:
    """The application, started and stopped."""
    configured = Settings(
        profile="development",
        database_url=database_url,
        bus_url="kafka://127.0.0.1:1",
        issuer_url=issuer.URL,
        secrets_dir=secrets,
        consent_url="https://consent.test",
        **{**QUOTAS, **settings},
    )
    parts = parts_of(configured)
    app = _UNUSED.pop() if _UNUSED else create(parts)
    app.state.admission = Admission(configured)
    async with opening(parts)(app):
        await app.state.verifier.close()
        app.state.verifier = issuer.verifier()
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="https://consent.test", event_hooks=hooks("consent")
        ) as client:
            yield Door(app, client, database_url.replace("+asyncpg", ""))
    await parts.close()
    _UNUSED.append(app)
