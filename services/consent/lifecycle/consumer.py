"""The bus's door: case events to one handler each, by type. What concerns only others is passed over.

Consent consumes every topic of case events although most of it is not for it, because its position is what `arrivals`
compares with: an event whose custody or closed case we have not read yet is *not yet* answered (`docs/fence.md`).
What a source may say is held here too (`libs/common/wire/sources.py`): custody counts only from civil registration,
whatever advis did with it.
"""

from collections.abc import Sequence
from datetime import date

from libs.common.bus.case_events import CaseEvent, from_bus, key_in
from libs.common.bus.cloudevents import from_delivery
from libs.common.bus.port import Delivery, PoisonRecordError
from libs.common.consuming.inbox import first_seen, park
from libs.common.consuming.reported import take
from libs.common.database.database import WriteSession, clock
from libs.common.http.cursors import CursorKeys
from libs.common.wire.sources import Binding
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.source_bindings import bindings_of, vocabulary_of
from services.consent.http.signing import Signer
from services.consent.lifecycle import corrections
from services.consent.lifecycle.facts import HANDLERS, Fact

GROUP = "consent"


class LifecycleHandler:
    """Applies life-cycle events, each once per source and id, each in the transaction that moves the position past it.

    `signer`: what ends by a fact has a receipt as what ends by a word has. `keys`: they mark what was reported.
    `former_until`: the first day on which the former topic is read no more.
    """

    def __init__(self, signer: Signer, keys: CursorKeys, *, former_until: date) -> None:
        self._signer = signer
        self._keys = keys
        self._former_until = former_until
        self._known: Sequence[Binding] = ()

    def alone(self, delivery: Delivery) -> bool:
        """Whether it is a life event, which locks its person's scopes: nobody else's withdrawal waits for those."""
        try:
            return from_delivery(delivery).type in HANDLERS
        except PoisonRecordError:
            return True

    async def prepare(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """The records that concern us. Raises PoisonRecordError for one that cannot be read."""
        return [delivery for delivery in deliveries if from_delivery(delivery).type in HANDLERS]

    async def handle(self, session: WriteSession, _deliveries: Sequence[Delivery], prepared: list[Delivery]) -> None:
        """Judge and apply them, in order. Raises PoisonRecordError for what is not its source's to say."""
        if not prepared:
            return
        catalogue = await catalogue_store.current(session)
        bindings, vocabulary = bindings_of(catalogue, await clock(session)), vocabulary_of(catalogue)
        self._known = bindings
        for delivery in prepared:
            heard = from_bus(delivery, bindings, vocabulary, former_until=self._former_until)
            if await first_seen(session, *heard.key):
                await take(session, self._keys, [heard])
                await self._apply(session, heard)

    async def parked(self, session: WriteSession, delivery: Delivery, reason: str) -> None:
        """Keep the reason for the source that wrote the record, where record and source can be told."""
        if key := key_in(delivery, self._known):
            await park(session, key, reason)

    async def _apply(self, session: WriteSession, heard: CaseEvent) -> None:
        if heard.corrects is None:
            await corrections.hear(session, self._signer, heard.key, _fact(heard))
            return
        annulled = bool(heard.data.annulled)
        await corrections.correct(
            session, self._signer, heard.key, _fact(heard), corrects=heard.corrects, annulled=annulled
        )


def _fact(heard: CaseEvent) -> Fact:
    return Fact(
        type=heard.event.type,
        borger_id=heard.subject,
        at=heard.event.time,
        unit=heard.data.unit,
        case_reference=heard.data.case_reference,
        custody_holders=heard.data.custody_holders,
        correlation_id=heard.event.correlationid,
    )
