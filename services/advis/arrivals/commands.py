"""What happens to case events: taken in over HTTP, and taken from the bus into the registry and the inboxes.

Each function is one transaction, opened and committed by its caller.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from libs.common.bus.case_events import CaseEvent, step_of
from libs.common.consuming.inbox import first_seen_of
from libs.common.consuming.reported import take
from libs.common.database.database import WriteSession
from libs.common.http.cursors import CursorKeys
from libs.common.outbox.outbox import Message, append
from services.advis.arrivals.matching import Due, Opening, due
from services.advis.cases import store as cases_store
from services.advis.cases.cases import CaseChange, Registry, Step
from services.advis.model import audit as model_audit
from services.advis.model.audit import ADVIS, tell
from services.advis.model.events import EventReceived, NotificationCreated
from services.advis.notifications import commands as notifications_commands
from services.advis.notifications import doorbells_store
from services.advis.notifications import store as notifications_store
from services.advis.notifications.notification import Notification, State
from services.advis.reference.reference import Reference

# Events between two rounds of statements. The server ends a transaction that is silent for half a second, and a busy
# machine must not need that long to think about one step.
STEP = 50


@dataclass(frozen=True, slots=True)
class Arrived:
    """A case event from the bus and the openings that consent has for it."""

    case_event: CaseEvent
    openings: tuple[Opening, ...] = ()


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
    await cases_store.save_cases(session, registry)
    made = await notifications_store.create(session, drafts, now)
    for arrived in fresh:
        replacing = await _replacing(session, arrived.case_event, now)
        made |= await notifications_store.create(session, replacing, now)
        drafts.extend(replacing)
    created = [draft for draft in drafts if draft.notification.notification_id in made]
    bells = [draft.notification for draft in created if reference.endpoint_for(draft.notification)]
    await doorbells_store.hang(session, [(uuid4(), n.notification_id, n.recipient_unit) for n in bells], now)
    told = [_received(arrived.case_event, now) for arrived in fresh]
    await append(session, [*told, *(message for draft in created for message in _created(draft, now))])
    return len(created)


async def _decide(
    session: WriteSession, fresh: Sequence[Arrived], reference: Reference, now: datetime
) -> tuple[Registry, list[notifications_store.Draft]]:
    """The cases as they are now and the notifications that are due."""
    changes = [_change(arrived.case_event) for arrived in fresh]
    subjects = {opening.subject for arrived in fresh for opening in arrived.openings}
    keys = {(change.unit, change.case_reference) for change in changes if change is not None}
    known = await cases_store.load_cases(session, keys, subjects)
    registry = Registry(known, await cases_store.load_steps(session, {key: known[key] for key in keys & known.keys()}))
    drafts: list[notifications_store.Draft] = []
    for arrived, change in zip(fresh, changes, strict=True):
        if change is not None:
            registry.apply(change)
        cases = registry.about({opening.subject for opening in arrived.openings})
        found = due(arrived.case_event.event.type, arrived.openings, reference.subscriptions, cases)
        drafts.extend(_draft(arrived.case_event, one, reference, now) for one in found)
    return registry, drafts


async def _replacing(session: WriteSession, taken: CaseEvent, now: datetime) -> list[notifications_store.Draft]:
    """What takes the place of the notifications of the event that this one corrects, which are cancelled (R18).

    Under the opening of the original, so that only who was told of it is told of the correction, and only while its
    coverage is unbroken. What another type, unit or person was told of stays: a refusal would say that it was told.
    """
    if taken.corrects is None:
        return []
    originals = [
        one
        for one in await notifications_store.of_event(session, *taken.corrects)
        if (one.event_type, one.holder_unit) == (taken.event.type, taken.data.unit) and taken.subject in one.persons
    ]
    await notifications_commands.cancel(session, [one.notification_id for one in originals], now)
    return [_replacement(taken, one, now) for one in originals]


def _replacement(taken: CaseEvent, original: Notification, now: datetime) -> notifications_store.Draft:
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
    return notifications_store.Draft(notification, taken.key[0], decision_id=uuid4())


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


def _draft(taken: CaseEvent, due_one: Due, reference: Reference, now: datetime) -> notifications_store.Draft:
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
    return notifications_store.Draft(notification, taken.key[0], decision_id=uuid4())


def _received(taken: CaseEvent, now: datetime) -> Message:
    fact = EventReceived(taken.subject, taken.event.id, taken.event.type, taken.data.unit)
    return tell(fact, ADVIS, now, correlation_id=taken.event.correlationid)


def _created(draft: notifications_store.Draft, now: datetime) -> Iterable[Message]:
    """One entry about each person revealed; the first has the row's random decision id, so that they can be joined."""
    n = draft.notification
    for place, person in enumerate(n.persons):
        fact = NotificationCreated(person, n.notification_id, n.event_id, n.event_type, n.recipient_unit, n.purpose)
        entry_id = draft.decision_id if place == 0 else uuid4()
        yield model_audit.tell(fact, ADVIS, now, correlation_id=n.correlation_id, entry_id=entry_id)
