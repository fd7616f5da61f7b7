"""The bus door: which topic leads to which handler, and what is asked of consent before a transaction begins.

1. Case events: what each says is held against what the writer of its topic may say. Consent is asked for openings
   first; *not yet* or unreachable leaves the position where it is (P3, P9).
2. Consent events decide nothing: they make us ask again about notifications of their scope (docs/fence.md, Arrival).
3. A record that can never be right is poison, with a code for a reason and nothing of its content.
"""

import asyncio
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from libs.common.bus.case_events import CaseEvent, from_bus, key_in
from libs.common.bus.port import Delivery
from libs.common.consuming.consumer import NotYetError, PoisonRecordError
from libs.common.consuming.inbox import park
from libs.common.database.database import WriteSession, clock
from libs.common.http.cursors import CursorKeys
from libs.common.wire.identifiers import parse_uuid
from libs.common.wire.permits import Arrival, ArrivalAnswer, Position
from libs.common.wire.sources import Binding
from services.advis.arrivals import commands as arrivals_commands
from services.advis.arrivals.commands import Arrived
from services.advis.arrivals.matching import Opening
from services.advis.consent.client import ConsentUnavailableError, Fence, QuestionRefusedError
from services.advis.disclosure.permits import Question
from services.advis.model.audit import ADVIS
from services.advis.model.errors import CaseOwnerError
from services.advis.notifications.notification import Revealed
from services.advis.reference.reference import Reference
from services.advis.reference.sources import Sources, vocabulary_of

GROUP_CASE_EVENTS = "advis.case-events"
NOT_YET_PAUSES_S = (0.002, 0.004, 0.008, 0.016)  # then the consumer's own waiting takes over
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
            await arrivals_commands.take_in(session, prepared, self._reference, await clock(session), keys=self._keys)
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
