"""Valid things by name: people, cases, events, and how they get into the database the way production puts them."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import yaml
from sqlalchemy.exc import DBAPIError

from libs.common.bus.cloudevents import CloudEvent, to_headers
from libs.common.bus.port import Delivery
from libs.common.database.database import Database
from libs.common.http.cursors import KEY_BYTES, CursorKeys
from libs.common.wire import permits
from libs.common.wire.messages import CONSENT_EVENTS
from libs.common.wire.sources import Binding, BindingsAnswer
from services.advis.arrivals.consumer import CaseEvents
from services.advis.consent.client import Fence
from services.advis.reference.reference import Reference
from services.advis.reference.sources import Sources
from tests.fakes import FakeConsent
from tests.tree import REFERENCE

REFERENCE_DIR = REFERENCE
HOLDER = "SOF-RUSMIDDEL"
RECIPIENT = "BIF-KANTEN"
CASEWORKER = "bif101"
PURPOSE = "KOORDINERING"
TYPE = "sof.rusmiddel.opstartet"
EPOCH = 1 << 40
UNITS = {entry["code"]: entry["administration"] for entry in yaml.safe_load((REFERENCE_DIR / "units.yaml").read_text())}
SYSTEM = Binding(
    code="test",
    client_id="source-system",
    event_sources=("urn:test:domus", "urn:test:fasit"),
    event_types=("bif.*", "sof.*", "cpr.*"),
    units=("BIF-*", "SOF-*"),
    civil_registration=True,
)
"""A source that may say nearly everything, so that a test about something else needs no other."""


KEYS = CursorKeys.of([os.urandom(KEY_BYTES)])

PARKED: dict[tuple[str, str, str], str] = {}
"""(system, CloudEvents source, event id) → why consent parked the event."""


async def parked(binding: Binding, asked: Sequence[tuple[str, str]]) -> Sequence[str | None]:
    return [PARKED.get((binding.code, *one)) for one in asked]


def sources(*more: Binding) -> Sources:
    """The registry as consent would answer it."""

    async def read() -> BindingsAnswer:
        return BindingsAnswer(revision=1, items=(SYSTEM, *more), units=UNITS)

    return Sources(read, parked)


def opening(borger_id: UUID, recipient: str = RECIPIENT, purpose: str = PURPOSE, epoch: int = EPOCH) -> permits.Opening:
    revealed = permits.Revealed(borger_id=borger_id, category="RUSMIDDEL", epoch=epoch)
    return permits.Opening(recipient_unit=recipient, purpose=purpose, subject=borger_id, reveals=(revealed,))


def event(kind: str, borger_id: UUID, unit: str, **more: Any) -> CloudEvent:
    """A case event; `id`, `source`, `time` and `correlationid` may be given, the rest is its data."""
    attributes = {name: more.pop(name) for name in ("id", "source", "time", "correlationid") if name in more}
    defaults = {"id": str(uuid4()), "source": "urn:test:domus", "time": datetime.now(UTC) - timedelta(minutes=1)}
    extensions = {"corrects": more.pop("corrects")} if "corrects" in more else {}
    data = json.dumps({"unit": unit, **more}).encode()
    return CloudEvent(**defaults | attributes, type=kind, data=data, subject=str(borger_id), extensions=extensions)


def case_opened(borger_id: UUID, reference: str = "BIF-26-1001", **more: Any) -> CloudEvent:
    unit, caseworker = more.pop("unit", RECIPIENT), more.pop("caseworker", CASEWORKER)
    return event("bif.sag.aabnet", borger_id, unit, case_reference=reference, caseworker=caseworker, **more)


def treatment_started(borger_id: UUID, **more: Any) -> CloudEvent:
    return event(TYPE, borger_id, HOLDER, case_reference="SOF-26-7", **more)


def deliveries(events: Sequence[CloudEvent], *, first_offset: int = 0, topic: str = SYSTEM.topic) -> list[Delivery]:
    """The events as they lie on one partition."""
    return [
        Delivery(
            topic=topic,
            partition=0,
            offset=first_offset + place,
            key=one.subject or "",
            headers=to_headers(one),
            value=one.data,
            timestamp=datetime.now(UTC),
        )
        for place, one in enumerate(events)
    ]


def consent_changed(borger_id: UUID, kind: str = "samtykke.tilbagekaldt", recipient: str = RECIPIENT) -> Delivery:
    data = json.dumps({"purpose": PURPOSE, "recipient_unit": recipient, "epoch": EPOCH + 1}).encode()
    told = CloudEvent(str(uuid4()), "urn:samtykkebro:consent", kind, datetime.now(UTC), data, subject=str(borger_id))
    return deliveries([told], topic=CONSENT_EVENTS)[0]


async def in_transaction(database: Database, handler: Any, batch: Sequence[Delivery], prepared: Any) -> None:
    """Handle a batch as the consumer does, which repeats what a busy machine or a lost connection has broken off."""
    for left in (2, 1, 0):
        try:
            async with database.write() as session:
                await handler.handle(session, batch, prepared)
            break
        except DBAPIError:
            if not left:
                raise


class Intake:
    """Takes case events in as the consumer does, without a bus."""

    def __init__(self, fence: Fence, reference: Reference, database: Database, consent: FakeConsent) -> None:
        self.handler = CaseEvents(fence, reference, sources(), keys=KEYS, former_until=date(2100, 1, 1))
        self.database = database
        self.consent = consent

    async def take(self, *events: CloudEvent) -> None:
        batch = deliveries(events)
        prepared = await self.handler.prepare(batch)
        await in_transaction(self.database, self.handler, batch, prepared)

    async def advis(self, borger_id: UUID | None = None, **more: Any) -> CloudEvent:
        """One citizen with a case and one consented event about them: one notification."""
        who = borger_id or uuid4()
        reference = more.pop("case_reference", "BIF-26-1001")
        case = {name: more.pop(name) for name in ("unit", "caseworker") if name in more}
        happened = treatment_started(who, **more)
        self.consent.openings[happened.id] = [opening(who, case.get("unit", RECIPIENT))]
        await self.take(case_opened(who, reference, **case), happened)
        return happened
