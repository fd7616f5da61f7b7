"""What happens in the world while it is being broken: citizens change their minds, cases go on, staff read.

Few keys and many hands: every citizen's loop contends with events, readers and doorbells about the same citizen.
`mehmet` consents once and only ever renews; `peter` never consents. Every one of them goes on until told to stop, and
finishes what was begun.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import httpx2

from libs.cli.running.system import System
from tests.faults.cast import GaveUpError, Voice, machine, person
from tests.faults.history import History

PATIENCE_S = 90.0
PURPOSE = "KOORDINERING"
SOCIAL, WORK = ("SOF-BCV", "SOCIAL_STOETTE"), ("BIF-JOBINDSATS", "BESKAEFTIGELSESFORLOEB")
EVENTS = {"domus": ("sof.stoette.aendret", "SOF-BCV"), "fasit": ("bif.tilbud.bevilget", "BIF-JOBINDSATS")}
SOURCE_OF = {"BIF": "fasit", "SOF": "domus"}  # each says what is its own administration's
READERS = {"bif101": "BIF-JOBINDSATS", "bif201": "BIF-KANTEN", "bif301": "BIF-YDELSE", "sof101": "SOF-BCV"}
SYSTEMS = {"jobindsats-system": "BIF-JOBINDSATS", "kanten-system": "BIF-KANTEN", "bcv-system": "SOF-BCV"}
STEADY, NEVER = "mehmet", "peter"
CITIZENS = ("morten", "hans", "guelcan", STEADY, NEVER)
EMIT_EVERY_S = 0.4
PAGE = 5  # items in an ordinary read: each is a permit


@dataclass(frozen=True, slots=True)
class Key:
    """One scope, and what is consented to in it."""

    citizen: str
    recipient: str
    holder: str
    category: str
    way: str  # withdraw, or refuse and lift


CONTENDED = (
    Key("morten", "BIF-JOBINDSATS", *SOCIAL, way="withdraw"),
    Key("hans", "BIF-JOBINDSATS", *SOCIAL, way="refuse"),
    Key("guelcan", "BIF-JOBINDSATS", *SOCIAL, way="withdraw"),
    Key("morten", "SOF-BCV", *WORK, way="withdraw"),
    Key("hans", "BIF-KANTEN", *SOCIAL, way="withdraw"),
    Key("guelcan", "BIF-YDELSE", *SOCIAL, way="withdraw"),
)
CERTAIN = (
    Key(STEADY, "BIF-JOBINDSATS", *SOCIAL, way="never"),
    Key(STEADY, "BIF-KANTEN", *SOCIAL, way="never"),
    Key(STEADY, "SOF-BCV", *WORK, way="never"),
)


@dataclass
class Company:
    """Everybody, and the notebook."""

    http: httpx2.AsyncClient
    system: System
    history: History
    rng: random.Random
    borger: dict[str, str] = field(default_factory=dict)
    citizens: dict[str, Voice] = field(default_factory=dict)
    sources: dict[str, Voice] = field(default_factory=dict)
    readers: dict[str, Voice] = field(default_factory=dict)
    cases: dict[tuple[str, str], str] = field(default_factory=dict)  # (citizen, unit) → the unit's case reference
    seen_ns: dict[str, int] = field(default_factory=dict)  # case reference → when an inbox last showed it
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _catalogue: Mapping[str, Any] = field(default_factory=dict)

    async def bring_on(self) -> None:
        """Sign everybody in, resolve the pseudonyms, open the cases, and give the consents that stay."""
        resolver = machine(self.http, self.system, "fasit", "consent")
        for name in CITIZENS:
            answer = await self._ask(resolver, "/v1/citizens:resolve", {"cpr": self.system.cpr_numbers[name]})
            self.borger[name] = answer.json()["borger_id"]
            self.citizens[name] = person(self.http, self.system, name, "consent")
        for name in EVENTS:
            self.sources[name] = machine(self.http, self.system, name, "advis")
        for name in READERS:
            self.readers[name] = person(self.http, self.system, name, "advis")
        for name in SYSTEMS:
            self.readers[name] = machine(self.http, self.system, name, "advis")
        await self._open_cases()
        self._catalogue = (await self.citizens[NEVER].call("GET", "/v1/catalogue")).json()
        await asyncio.gather(*(self.grant(key) for key in CERTAIN))

    async def _open_cases(self) -> None:
        numbers = count(4001)
        for worker, unit in READERS.items():
            source = SOURCE_OF[unit.partition("-")[0]]
            events = []
            for name in CITIZENS:
                area = unit.partition("-")[0]
                reference = f"{area}-26-{next(numbers)}"
                self.cases[name, unit] = reference
                kind = f"{area.lower()}.sag.aabnet"
                told = {"case_reference": reference, "caseworker": worker}
                events.append(self._event(source, kind, name, unit, **told))
            await self.emit(source, events)

    async def grant(self, key: Key) -> str:
        """Consent, for certain; gives the consent's id."""
        path = f"/v1/citizens/{self.borger[key.citizen]}/consents"
        headers = {"idempotency-key": secrets.token_hex(16)}
        told = self._told(key)
        asked = self.history.note(key.citizen, "grant", "invoke", **told)
        response = await self._ask(self.citizens[key.citizen], path, self._form(key), headers)
        assert response.status_code in {201, 202}, response.text
        consent_id: str = response.json()["consent"]["consent_id"]
        self.history.note(key.citizen, "grant", "ok", asked=asked, consent=consent_id, **told)
        return consent_id

    async def withdraw(self, key: Key, consent_id: str) -> None:
        """Withdraw and wait for the `200`."""
        await self._end(key, f"/consents/{consent_id}:withdraw", None)

    async def refuse(self, key: Key) -> str:
        """Refuse and wait for the `200`; gives the refusal's id."""
        body = {"purpose": PURPOSE, "recipient_unit": key.recipient}
        return (await self._end(key, "/refusals", body))["refusal_id"]

    async def lift(self, key: Key, refusal_id: str) -> None:
        """Take the refusal back: consents count again."""
        path = f"/v1/citizens/{self.borger[key.citizen]}/refusals/{refusal_id}:lift"
        told = self._told(key)
        asked = self.history.note(key.citizen, "grant", "invoke", how="lift", **told)
        response = await self._ask(self.citizens[key.citizen], path)
        assert response.status_code == 200, response.text
        self.history.note(key.citizen, "grant", "ok", how="lift", asked=asked, **told)

    async def _end(self, key: Key, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        voice, told = self.citizens[key.citizen], self._told(key)
        root = f"/v1/citizens/{self.borger[key.citizen]}"
        headers = {"idempotency-key": secrets.token_hex(16)}
        if self.rng.random() < 0.1:
            headers["prefer"] = "respond-async"
        asked = self.history.note(key.citizen, "withdraw", "invoke", **told)
        response = await self._ask(voice, root + path, body, headers)
        waited = 0
        while response.status_code == 202:
            waited += 1
            await asyncio.sleep(0.05)
            response = await voice.until_answered("GET", response.headers["location"], patience_s=PATIENCE_S)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        named = {"withdrawal": answer["withdrawal_id"], "asked": asked, "waited": waited}
        self.history.note(key.citizen, "withdraw", "ok", **told, **named)
        return answer

    async def emit(self, source: str, events: Sequence[dict[str, Any]]) -> None:
        """Hand in a batch of case events until it is accepted."""
        ids = [[event["id"], event["subject"], event["type"]] for event in events]
        self.history.note(source, "emit", "invoke", events=ids)
        headers = {"content-type": "application/cloudevents-batch+json"}
        response = await self._ask(self.sources[source], "/v1/case-events", list(events), headers)
        assert response.status_code == 202, response.text
        self.history.note(source, "emit", "ok", events=ids)

    async def read(self, reader: str, query: str = f"?limit={PAGE}") -> dict[str, Any] | None:
        """One look at an inbox; None when it was not answered with a page."""
        unit = {**READERS, **SYSTEMS}[reader]
        asked = self.history.note(reader, "read", "invoke", unit=unit)
        try:
            response = await self.readers[reader].call("GET", f"/v1/inbox{query}")
        except httpx2.TransportError as error:
            self.history.note(reader, "read", "fail", asked=asked, error=type(error).__name__)
            return None
        page: dict[str, Any] | None = response.json() if response.status_code == 200 else None
        shown = [[i["notification_id"], i["case_reference"]] for i in page["items"]] if page else []
        phase = "ok" if page else "fail"
        told = {"unit": unit, "asked": asked, "status": response.status_code}
        at = self.history.note(reader, "read", phase, **told, shown=shown)
        self.seen_ns |= {case: at for _, case in shown}
        return page

    async def act(self, reader: str, item: Mapping[str, Any], what: str) -> None:
        """Open an item, or say that it is dealt with: a disclosure of its own."""
        unit = {**READERS, **SYSTEMS}[reader]
        path = f"/v1/inbox/{item['notification_id']}"
        asked = self.history.note(reader, "read", "invoke", unit=unit)
        try:
            method, path = ("POST", path + ":handle") if what == "handle" else ("GET", path)
            response = await self.readers[reader].call(method, path)
        except httpx2.TransportError:
            self.history.note(reader, "read", "fail", asked=asked)
            return
        shown = [[item["notification_id"], item["case_reference"]]] if response.status_code == 200 else []
        phase = "ok" if shown else "fail"
        self.history.note(reader, "read", phase, unit=unit, asked=asked, status=response.status_code, shown=shown)

    def events_about_everybody(self, source: str) -> list[dict[str, Any]]:
        """One event of this source about each citizen."""
        kind, unit = EVENTS[source]
        return [self._event(source, kind, name, unit) for name in CITIZENS]

    def _event(self, source: str, kind: str, citizen: str, unit: str, **data: Any) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": f"urn:samtykkebro:source:{source}",
            "type": kind,
            "subject": self.borger[citizen],
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            "data": {"unit": unit, **data},
        }

    def _form(self, key: Key) -> dict[str, Any]:
        shown = next(p["text"] for p in self._catalogue["purposes"] if p["code"] == PURPOSE)
        text = next(t["languages"]["da"] for t in self._catalogue["texts"] if t["code"] == shown)
        special = {c["code"] for c in self._catalogue["categories"] if c["special"]}
        return {
            "purpose": PURPOSE,
            "holder_unit": key.holder,
            "recipient_unit": key.recipient,
            "categories": [key.category],
            "language": "da",
            "text_sha256": text["sha256"],
            "affirmed_special": [key.category] if key.category in special else [],
        }

    def _told(self, key: Key) -> dict[str, str]:
        return {"borger": self.borger[key.citizen], "purpose": PURPOSE, "recipient": key.recipient}

    async def _ask(
        self, voice: Voice, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        return await voice.until_answered("POST", path, body, headers, patience_s=PATIENCE_S)

    async def until_shown(self, key: Key, longest_s: float) -> None:
        """Until an inbox has shown this citizen from now on, so that there is something in flight to withdraw from."""
        case, since = self.cases[key.citizen, key.recipient], time.monotonic_ns()
        end = time.monotonic() + longest_s
        while not self.over.is_set() and self.seen_ns.get(case, 0) < since and time.monotonic() < end:
            await asyncio.sleep(0.01)

    async def moment(self, longest_s: float) -> None:
        """A random while, shorter when everything is over."""
        end = time.monotonic() + self.rng.uniform(0.02, longest_s)
        while not self.over.is_set() and time.monotonic() < end:
            await asyncio.sleep(0.05)


__all__ = ["CERTAIN", "CONTENDED", "Company", "GaveUpError", "Key"]
