"""The bus door: which topic leads to which handler, and what is asked of consent before a transaction begins.

1. Case events: what each says is held against what the writer of its topic may say. Consent is asked for openings
   first; *not yet* or unreachable leaves the position where it is (P3, P9).
2. Consent events decide nothing: they make us ask again about notifications of their scope (fence.md §2, Arrival).
3. A record that can never be right is poison, with a code for a reason and nothing of its content.
"""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import get_args
from uuid import UUID

from pydantic import ValidationError

from libs.common.bus import Delivery
from libs.common.case_events import CaseEvent, from_bus, key_in
from libs.common.cloudevents import from_delivery
from libs.common.consumer import NotYetError, PoisonRecordError
from libs.common.cursors import CursorKeys
from libs.common.database import Database, WriteSession, clock
from libs.common.identifiers import parse_uuid
from libs.common.inbox import first_seen_of, park
from libs.common.messages import ConsentChange, ConsentEventData
from libs.common.permits import BATCH_MAX, Arrival, ArrivalAnswer, Position
from libs.common.sources import Binding
from services.advis import handlers_events, handlers_inbox, store_notifications
from services.advis.domain.errors import CaseOwnerError
from services.advis.domain.matching import Opening, Revealed
from services.advis.domain.notification import Notification
from services.advis.entries import ADVIS
from services.advis.fence import ConsentUnavailableError, Fence, QuestionRefusedError
from services.advis.handlers_events import Arrived
from services.advis.permission import Permits, Question
from services.advis.reference import Reference
from services.advis.sources import Sources, vocabulary_of

GROUP_CASE_EVENTS = "advis.case-events"
GROUP_CONSENT_EVENTS = "advis.consent-events"
NOT_YET_PAUSES_S = (0.002, 0.004, 0.008, 0.016)  # then the consumer's own waiting takes over
_CHANGES = frozenset(get_args(ConsentChange))
_ASK_AGAIN = Question("inbox", ADVIS)


class CaseEvents:
    """`case.events` → registry, notifications, doorbells, audit entries and inbox keys."""

    def __init__(
        self, fence: Fence, reference: Reference, sources: Sources, *, keys: CursorKeys, former_until: date
    ) -> None:
        self._fence = fence
        self._reference = reference
        self._sources = sources
        self._keys = keys
        self._former_until = former_until
        self._known: Sequence[Binding] = ()

    def alone(self, _delivery: Delivery) -> bool:
        """Never: no citizen's locks are held."""
        return False

    async def prepare(self, deliveries: Sequence[Delivery]) -> list[Arrived]:
        """The events, read and checked, with their openings. Raises NotYetError and PoisonRecordError."""
        try:
            known = await self._sources.current()
        except ConsentUnavailableError as error:
            raise NotYetError from error
        self._known = known.items
        vocabulary = vocabulary_of(known, self._reference)
        read = [(one, from_bus(one, known.items, vocabulary, former_until=self._former_until)) for one in deliveries]
        types = self._reference.event_types
        asked = [(one, taken) for one, taken in read if types[taken.event.type].reveals and taken.corrects is None]
        try:
            answers = await self._answers([_arrival(delivery, taken) for delivery, taken in asked])
        except QuestionRefusedError:  # some record's fault: the consumer tries them one by one, and parks that one
            raise
        except ConsentUnavailableError as error:
            raise NotYetError from error
        openings = {delivery.offset: _openings(answer) for (delivery, _), answer in zip(asked, answers, strict=True)}
        return [Arrived(taken, openings.get(delivery.offset, ())) for delivery, taken in read]

    async def _answers(self, arrivals: Sequence[Arrival]) -> list[ArrivalAnswer]:
        """Consent reads the same bus and is often a moment behind: what is late is asked for again, alone."""
        answers = await self._fence.arrivals(arrivals)
        for pause_s in NOT_YET_PAUSES_S:
            late = [place for place, answer in enumerate(answers) if answer.not_yet]
            if not late:
                return answers
            await asyncio.sleep(pause_s)
            again = await self._fence.arrivals([arrivals[place] for place in late])
            for place, answer in zip(late, again, strict=True):
                answers[place] = answer
        if any(answer.not_yet for answer in answers):
            raise NotYetError
        return answers

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: list[Arrived]) -> None:
        """One transaction for the whole batch. Raises PoisonRecordError."""
        assert len(deliveries) == len(prepared)
        try:
            await handlers_events.take_in(session, prepared, self._reference, await clock(session), keys=self._keys)
        except CaseOwnerError as error:
            raise PoisonRecordError("case_owner_differs") from error

    async def parked(self, session: WriteSession, delivery: Delivery, reason: str) -> None:
        """Keep the reason for the source that wrote the record, where record and source can be told."""
        if key := key_in(delivery, self._known):
            await park(session, key, reason)


def _citizen(subject: str | None) -> UUID:
    try:
        return parse_uuid(subject or "")
    except ValueError as error:
        raise PoisonRecordError("no_subject") from error


def _arrival(delivery: Delivery, taken: CaseEvent) -> Arrival:
    return Arrival(
        event_id=taken.event.id,
        type=taken.event.type,
        borger_id=taken.subject,
        holder_unit=taken.data.unit,
        occurred_at=taken.event.time,
        position=Position(topic=delivery.topic, partition=delivery.partition, offset=delivery.offset),
        correlation_id=taken.event.correlationid,
        first_parked=delivery.replay.first_parked if delivery.replay else None,
    )


def _openings(answer: ArrivalAnswer) -> tuple[Opening, ...]:
    return tuple(
        Opening(
            one.recipient_unit,
            one.purpose,
            one.subject,
            tuple(Revealed(told.borger_id, told.category, told.epoch) for told in one.reveals),
        )
        for one in answer.openings
    )


class ConsentEvents:
    """`consent.events` → notifications that would no longer be permitted are cancelled."""

    def __init__(self, database: Database, permits: Permits) -> None:
        self._database = database
        self._permits = permits

    def alone(self, _delivery: Delivery) -> bool:
        """Never: no citizen's locks are held."""
        return False

    async def prepare(self, deliveries: Sequence[Delivery]) -> list[UUID]:
        """The notifications that consent would refuse now. Raises NotYetError and PoisonRecordError."""
        scopes = frozenset(scope for delivery in deliveries for scope in _scope(delivery))
        refused: list[UUID] = []
        after: UUID | None = None
        while scopes:
            async with self._database.read() as session:
                page = await store_notifications.in_scopes(session, scopes, limit=BATCH_MAX, after=after)
            refused += [notification.notification_id for notification in await self._refused(page)]
            if not page.reaches(BATCH_MAX):
                break
            after = page[-1].notification_id
        return refused

    async def handle(self, session: WriteSession, deliveries: Sequence[Delivery], prepared: list[UUID]) -> None:
        """Cancel, in one transaction with the inbox keys."""
        events = [from_delivery(delivery) for delivery in deliveries]
        await first_seen_of(session, [(event.source, event.id) for event in events])
        await handlers_inbox.cancel(session, prepared, await clock(session))

    async def _refused(self, page: Sequence[Notification]) -> Sequence[Notification]:
        if not page:
            return ()
        try:
            return await self._permits.would_refuse(page, _ASK_AGAIN)
        except ConsentUnavailableError as error:
            raise NotYetError from error


def _scope(delivery: Delivery) -> tuple[tuple[UUID, str, str], ...]:
    """The scope that changed: person, purpose, recipient unit. Empty for a type that is new to us."""
    event = from_delivery(delivery)
    if event.type not in _CHANGES:
        return ()
    try:
        data = ConsentEventData.model_validate_json(event.data)
    except ValidationError as error:
        raise PoisonRecordError("invalid_data") from error
    return ((_citizen(event.subject), data.purpose, data.recipient_unit),)
