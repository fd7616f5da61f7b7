"""What happens to case events: taken in over HTTP, and taken from the bus into the registry and the inboxes.

Each function is one transaction, opened and committed by its caller.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from libs.common.alarms import AlarmCode, raise_alarm
from libs.common.case_events import CORRECTS, CaseEvent, Key, step_of
from libs.common.cursors import CursorKeys
from libs.common.database import WriteSession
from libs.common.inbox import first_seen_of
from libs.common.messages import HTTP_EVENTS
from libs.common.outbox import Message, append
from libs.common.reported import take
from services.advis import entries, handlers_inbox, store_cases, store_doorbells, store_notifications
from services.advis.domain.cases import CaseChange, Registry, Step
from services.advis.domain.errors import EventConflictError
from services.advis.domain.events import EventIngested, EventReceived, EventRefused, NotificationCreated
from services.advis.domain.matching import Due, Opening, due
from services.advis.domain.notification import Notification, State
from services.advis.entries import ADVIS, Actor, tell
from services.advis.reference import Reference

# Events between two rounds of statements. The server ends a transaction that is silent for half a second (fence.md §2),
# and a busy machine must not need that long to think about one step.
STEP = 50


@dataclass(frozen=True, slots=True)
class Arrived:
    """A case event from the bus and the openings that consent has for it."""

    case_event: CaseEvent
    openings: tuple[Opening, ...] = ()


async def ingest(session: WriteSession, taken: Sequence[CaseEvent], actor: Actor, now: datetime) -> None:
    """Put each event on the bus once. Raises EventConflictError when an id was used for something else."""
    digests: dict[Key, bytes] = {}
    for event in taken:
        if digests.setdefault(event.key, _digest(event)) != _digest(event):
            raise EventConflictError(event.event.id)
    new = await store_cases.remember_ingested(session, digests, now)
    known = await store_cases.ingested_digests(session, digests.keys() - new)
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


async def take_in(
    session: WriteSession, batch: Sequence[Arrived], reference: Reference, now: datetime, *, keys: CursorKeys
) -> int:
    """Registry, notifications, doorbells, audit entries and inbox keys of a batch; returns how many advis it made.

    In the order of the batch: an event sees every case change before it. Raises CaseOwnerError, and
    PoisonRecordError for a correction that names no such event.
    """
    made = 0
    for start in range(0, len(batch), STEP):
        made += await _take_in_step(session, batch[start : start + STEP], reference, now, keys=keys)
    return made


async def _take_in_step(
    session: WriteSession, batch: Sequence[Arrived], reference: Reference, now: datetime, *, keys: CursorKeys
) -> int:
    new = set(await first_seen_of(session, [arrived.case_event.key for arrived in batch]))
    fresh = []
    for arrived in batch:
        if arrived.case_event.key in new:
            new.remove(arrived.case_event.key)
            fresh.append(arrived)
    await take(session, keys, [arrived.case_event for arrived in fresh])
    registry, drafts = await _decide(session, fresh, reference, now)
    await store_cases.save_cases(session, registry)
    made = await store_notifications.create(session, drafts, now)
    for arrived in fresh:
        replacing = await _replacing(session, arrived.case_event, now)
        made |= await store_notifications.create(session, replacing, now)
        drafts.extend(replacing)
    created = [draft for draft in drafts if draft.notification.notification_id in made]
    bells = [draft.notification for draft in created if reference.endpoint_for(draft.notification)]
    await store_doorbells.hang(session, [(uuid4(), n.notification_id, n.recipient_unit) for n in bells], now)
    told = [_received(arrived.case_event, now) for arrived in fresh]
    await append(session, [*told, *(message for draft in created for message in _created(draft, now))])
    return len(created)


async def _decide(
    session: WriteSession, fresh: Sequence[Arrived], reference: Reference, now: datetime
) -> tuple[Registry, list[store_notifications.Draft]]:
    """The cases as they are now and the notifications that are due."""
    changes = [_change(arrived.case_event) for arrived in fresh]
    subjects = {opening.subject for arrived in fresh for opening in arrived.openings}
    keys = {(change.unit, change.case_reference) for change in changes if change is not None}
    known = await store_cases.load_cases(session, keys, subjects)
    registry = Registry(known, await store_cases.load_steps(session, {key: known[key] for key in keys & known.keys()}))
    drafts: list[store_notifications.Draft] = []
    for arrived, change in zip(fresh, changes, strict=True):
        if change is not None:
            registry.apply(change)
        cases = registry.about({opening.subject for opening in arrived.openings})
        found = due(arrived.case_event.event.type, arrived.openings, reference.subscriptions, cases)
        drafts.extend(_draft(arrived.case_event, one, reference, now) for one in found)
    return registry, drafts


async def _replacing(session: WriteSession, taken: CaseEvent, now: datetime) -> list[store_notifications.Draft]:
    """What takes the place of the notifications of the event that this one corrects, which are cancelled (R18).

    Under the opening of the original, so that only who was told of it is told of the correction, and only while its
    coverage is unbroken. What another type, unit or person was told of stays: a refusal would say that it was told.
    """
    if taken.corrects is None:
        return []
    originals = [
        one
        for one in await store_notifications.of_event(session, *taken.corrects)
        if (one.event_type, one.holder_unit) == (taken.event.type, taken.data.unit) and taken.subject in one.persons
    ]
    await handlers_inbox.cancel(session, [one.notification_id for one in originals], now)
    return [_replacement(taken, one, now) for one in originals]


def _replacement(taken: CaseEvent, original: Notification, now: datetime) -> store_notifications.Draft:
    notification = replace(
        original,
        notification_id=uuid4(),
        event_id=taken.event.id,
        occurred_at=taken.event.time,
        arrived_at=now,
        state=State.UNREAD,
        correlation_id=taken.event.correlationid,
        corrects=original.notification_id,
        annulled=bool(taken.data.annulled),
    )
    return store_notifications.Draft(notification, taken.key[0], decision_id=uuid4())


def _change(taken: CaseEvent) -> CaseChange | None:
    """The step in the holder's case that the event is, if it is one."""
    step, data = step_of(taken.event.type), taken.data
    if step is None or data.case_reference is None:
        return None
    return CaseChange(
        Step(step),
        data.unit,
        data.case_reference,
        taken.subject,
        caseworker=data.caseworker,
        at=taken.event.time,
        event=taken.key,
        corrects=taken.corrects,
        annulled=bool(data.annulled),
    )


def _draft(taken: CaseEvent, due_one: Due, reference: Reference, now: datetime) -> store_notifications.Draft:
    event = taken.event
    notification = Notification(
        notification_id=uuid4(),
        event_id=event.id,
        event_type=event.type,
        category=reference.event_types[event.type].category,
        occurred_at=event.time,
        arrived_at=now,
        holder_unit=taken.data.unit,
        recipient_unit=due_one.recipient_unit,
        purpose=due_one.purpose,
        subject=due_one.subject,
        case_reference=due_one.case_reference,
        reveals=due_one.reveals,
        state=State.UNREAD,
        correlation_id=event.correlationid,
    )
    return store_notifications.Draft(notification, taken.key[0], decision_id=uuid4())


def _received(taken: CaseEvent, now: datetime) -> Message:
    fact = EventReceived(taken.subject, taken.event.id, taken.event.type, taken.data.unit)
    return tell(fact, ADVIS, now, correlation_id=taken.event.correlationid)


def _created(draft: store_notifications.Draft, now: datetime) -> Iterable[Message]:
    """One entry about each person revealed; the first has the row's random decision id, so that they can be joined."""
    n = draft.notification
    for place, person in enumerate(n.persons):
        fact = NotificationCreated(person, n.notification_id, n.event_id, n.event_type, n.recipient_unit, n.purpose)
        entry_id = draft.decision_id if place == 0 else uuid4()
        yield entries.tell(fact, ADVIS, now, correlation_id=n.correlation_id, entry_id=entry_id)
