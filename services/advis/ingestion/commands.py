"""Takes case events in: each once, on its way to the bus, with its audit entry."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from libs.common.bus.case_events import CORRECTS, CaseEvent, Key
from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import Message, append
from libs.common.running.alarms import AlarmCode, raise_alarm
from libs.common.wire.messages import HTTP_EVENTS
from services.advis.cases import store as cases_store
from services.advis.model.audit import Actor, tell
from services.advis.model.errors import EventConflictError
from services.advis.model.events import EventIngested, EventRefused


async def ingest(session: WriteSession, taken: Sequence[CaseEvent], actor: Actor, now: datetime) -> None:
    """Put each event on the bus once. Raises EventConflictError when an id was used for something else."""
    digests: dict[Key, bytes] = {}
    for event in taken:
        if digests.setdefault(event.key, _digest(event)) != _digest(event):
            raise EventConflictError(event.event.id)
    new = await cases_store.remember_ingested(session, digests, now)
    known = await cases_store.ingested_digests(session, digests.keys() - new)
    if any(digests[key] != digest for key, digest in known.items()):
        raise EventConflictError
    fresh = {event.key: event for event in taken if event.key in new}
    messages = [Message(HTTP_EVENTS, str(event.subject), event.event) for event in fresh.values()]
    await append(session, messages + [_ingested(event, actor, now) for event in fresh.values()])


async def refuse(session: WriteSession, actor: Actor, refused: EventRefused, now: datetime) -> None:
    """Put on the record, and raise an alarm, that a client said what is not its own to say."""
    await append(session, [tell(refused, actor, now)])
    await raise_alarm(session, AlarmCode.SOURCE_REFUSED, about=actor.name, service="advis")


def _digest(taken: CaseEvent) -> bytes:
    """Over what the event says; the correlation id is ours when the source gave none, so it is left out."""
    corrects = taken.event.extensions.get(CORRECTS, "")
    said = (corrects, taken.event.type, str(taken.subject), taken.event.time.isoformat(), taken.data.model_dump_json())
    return hashlib.sha256("\n".join(said).encode()).digest()


def _ingested(taken: CaseEvent, actor: Actor, now: datetime) -> Message:
    fact = EventIngested(taken.subject, taken.event.id, taken.event.type, taken.data.unit)
    return tell(fact, actor, now, correlation_id=taken.event.correlationid)
