"""Ask a citizen for consents, and see the state of what was asked, and nothing else (U8, R5, R15, R37).

1. Whoever asks needs to know: their unit has an open case about the citizen. Else it is as if nobody had that id.
2. Everything that a grant would be refused for is refused when it is asked for, so that no citizen is asked in vain.
3. The scopes are locked as for a grant: asking, answering and taking back come one after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from libs.common.wire.identifiers import LAST
from services.consent.catalogue.entries import Catalogue
from services.consent.consents import audit as consents_audit
from services.consent.consents import store as consents_store
from services.consent.consents.consent import Consent, Status, expire
from services.consent.consents.events import ConsentExpired, Event
from services.consent.decision.required import asked_of
from services.consent.decision.snapshot import Person
from services.consent.decision.store import load_snapshot
from services.consent.employees.staff import Employee
from services.consent.grants import receipt as grants_receipt
from services.consent.grants.grant import Ask, draft
from services.consent.http import idempotency_store
from services.consent.http.audit import SERVICE, Actor
from services.consent.http.idempotency_store import Answer
from services.consent.http.signing import Signer
from services.consent.model.bilingual import Language
from services.consent.model.errors import AlreadyAskedError, NotSpecificError
from services.consent.model.scope import ScopeKey
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice
from services.consent.requests import audit as requests_audit
from services.consent.requests import store as requests_store
from services.consent.requests.request import Item, Request, check_cool_down, check_not_refused, may_ask
from services.consent.scopes import scopes

_OF_AN_ITEM = frozenset({"holder_unit", "recipient_unit", "categories"})


@dataclass(frozen=True, slots=True)
class Requester:
    """An employee, in the one unit that they act in now (R37)."""

    employee: Employee
    actor: Actor

    @property
    def unit(self) -> str:
        """Whose request it is."""
        return self.employee.unit

    @property
    def function(self) -> str:
        """The role, which the citizen is shown."""
        return self.employee.role

    @property
    def name(self) -> str:
        """Whose idempotency keys these are."""
        return f"{self.unit}/{self.actor.name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One question: from which unit to which, about what."""

    holder_unit: str
    recipient_unit: str
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Asking:
    """A request as it came in. `borger_id` None: nobody has the number that was sent. `days`: how long it waits."""

    borger_id: UUID | None
    by: Requester
    purpose: str
    items: tuple[Wanted, ...]
    language: Language
    text_version: int | None
    case_reference: str | None
    key: str
    request_sha256: str
    days: int
    new_id: Callable[[], UUID]
    shape: Callable[[Request, datetime], dict[str, Any]]


@dataclass
class _Made:
    """What the change left behind."""

    request: Request | None = None
    told: frozenset[UUID] = frozenset()
    events: list[Event] = field(default_factory=list)


async def ask(session: WriteSession, signer: Signer, asking: Asking) -> Answer | None:
    """Ask. 201 with the request; for a repeated key, the first answer. None: not somebody the unit may ask about.

    Raises NotSpecificError, AlreadyAskedError, TooSoonError, KeyReusedError.
    """
    now = await clock(session)
    person = await _person(session, asking.borger_id)
    if person is None or not may_ask(person, asking.by.unit, now):
        known = None if person is None else person.borger_id
        await append(session, [requests_audit.of_refused(asking.by.actor, subject=known, at=now)])
        return None
    who = asking.by.name
    first = await idempotency_store.claim(session, who, asking.key, request_sha256=asking.request_sha256, now=now)
    if first is not None:
        return first
    made, borger_id = _Made(), person.borger_id
    keys = {ScopeKey(borger_id, asking.purpose, item.recipient_unit) for item in asking.items}
    changed = await scopes.change(session, keys, lambda now: _record(session, asking, made, now))
    assert made.request is not None
    await grants_receipt.prove(session, signer, made.events, changed)
    await append(session, consents_audit.of_events(made.events, SERVICE, at=changed.at, epochs=changed.epochs))
    await append(session, [requests_audit.of_request("recorded", made.request, asking.by.actor, at=changed.at)])
    await tell(session, made.request, made.told, "consent_requested", at=changed.at, new_id=asking.new_id)
    answer = Answer(201, asking.shape(made.request, changed.at))
    await idempotency_store.complete(session, who, asking.key, status=answer.status, response=answer.response)
    return answer


async def _person(session: WriteSession, borger_id: UUID | None) -> Person | None:
    snapshot = await load_snapshot(session, [] if borger_id is None else [borger_id])
    return None if borger_id is None else snapshot.persons.get(borger_id)


async def _record(session: WriteSession, asking: Asking, made: _Made, now: datetime) -> None:
    """The request itself, under the scopes' locks."""
    assert asking.borger_id is not None
    snapshot = await load_snapshot(session, [asking.borger_id])
    person, catalogue = snapshot.persons[asking.borger_id], snapshot.catalogue
    await _check_case(session, asking, person)
    request_id, answer_by = asking.new_id(), now + timedelta(days=asking.days)
    items = []
    for place, wanted in enumerate(asking.items):
        drafted = _drafted(asking, place, person, catalogue=catalogue, now=now)
        asked = replace(drafted, request_id=request_id, answer_by=answer_by)
        check_not_refused(person, asked, catalogue, now)
        await _check_may_ask(session, asked, made, catalogue=catalogue, now=now)
        made.told |= _askable(asked, person, catalogue, now)
        items.append(
            Item(
                asking.new_id(), wanted.holder_unit, wanted.recipient_unit, categories=wanted.categories, consent=asked
            )
        )
        await consents_store.add(session, asked, at=now, actor_kind=asking.by.function)
    first = items[0].consent
    made.request = Request(
        request_id=request_id,
        borger_id=person.borger_id,
        unit=asking.by.unit,
        function=asking.by.function,
        requested_by=asking.by.actor.name,
        case_reference=asking.case_reference,
        purpose=first.purpose,
        text_code=first.text_code,
        text_version=first.text_version,
        text_sha256=first.text_sha256,
        language=first.language,
        requested_at=now,
        answer_by=answer_by,
        items=tuple(items),
    )
    await requests_store.add(session, made.request)


async def _check_case(session: WriteSession, asking: Asking, person: Person) -> None:
    reference = asking.case_reference
    if reference is None:
        return
    if not await requests_store.has_open_case(session, person.borger_id, asking.by.unit, reference):
        raise NotSpecificError("must be an open case of your unit about this citizen", field="case_reference")


def _drafted(asking: Asking, place: int, person: Person, *, catalogue: Catalogue, now: datetime) -> Consent:
    """The row that will wait. Raises NotSpecificError by the field of the request, items by their place."""
    wanted, unit = asking.items[place], asking.by.unit
    if unit not in {wanted.holder_unit, wanted.recipient_unit}:
        raise NotSpecificError("must have your own unit as its holder or its recipient", field=f"items.{place}")
    pairs = [(item.holder_unit, item.recipient_unit) for item in asking.items]
    if pairs.index(pairs[place]) != place:
        raise NotSpecificError("must differ from the others in holder or recipient", field=f"items.{place}")
    try:
        return draft(
            _question(asking, wanted, catalogue, now), catalogue, born=person.birth_date, consent_id=asking.new_id(),
            now=now,
        )  # fmt: skip
    except NotSpecificError as error:
        if error.field in _OF_AN_ITEM:
            raise NotSpecificError(error.message, field=f"items.{place}.{error.field}", known=error.known) from None
        raise


def _question(asking: Asking, wanted: Wanted, catalogue: Catalogue, now: datetime) -> Ask:
    """As if it had been said yes to in full, with the text in force: what a grant would refuse is refused now."""
    assert asking.borger_id is not None
    purpose = catalogue.purpose(asking.purpose, now)
    text = None if purpose is None else catalogue.text(purpose.text, now)
    digest = "" if text is None else (text.sha256.da if asking.language == "da" else text.sha256.en)
    entries = [catalogue.category(code, now) for code in wanted.categories]
    return Ask(
        borger_id=asking.borger_id,
        purpose=asking.purpose,
        holder_unit=wanted.holder_unit,
        recipient_unit=wanted.recipient_unit,
        categories=wanted.categories,
        language=asking.language,
        text_version=asking.text_version,
        text_sha256=digest,
        valid_until=None,
        affirmed_special=frozenset(item.code for item in entries if item is not None and item.special is not None),
    )


async def _check_may_ask(
    session: WriteSession, asked: Consent, made: _Made, *, catalogue: Catalogue, now: datetime
) -> None:
    """Not while the same waits for an answer, nor too soon after a no (R5)."""
    pair = (asked.holder_unit, asked.recipient_unit)
    for old in await consents_store.open_for(session, asked.borger_id, asked.purpose, pair):
        status = old.status_at(now)
        if status is Status.EXPIRED and old.status is not Status.ACTIVE:
            lapsed = expire(old)
            await consents_store.replace(session, old, lapsed, at=now, actor_kind="service")
            made.events.append(ConsentExpired(lapsed))
        elif old.request_id is not None and status is not Status.ACTIVE and old.status is not Status.ACTIVE:
            raise AlreadyAskedError("the same question waits for an answer")
    policy = catalogue.policy(now)
    said_no = await requests_store.declined_at(session, asked.borger_id, asked.purpose, pair)
    check_cool_down(said_no, 0 if policy is None else policy.decline_cool_down_days, now)


def _askable(asked: Consent, person: Person, catalogue: Catalogue, now: datetime) -> frozenset[UUID]:
    """Whose word it needs, and who is to be told. Raises NotSpecificError when there is nobody."""
    givers = asked_of(person, asked.categories, catalogue, now)
    if not givers:
        raise NotSpecificError("is somebody for whom nobody can answer today", field="citizen")
    return givers


async def tell(
    session: WriteSession,
    request: Request,
    givers: frozenset[UUID],
    kind: str,
    *,
    at: datetime,
    new_id: Callable[[], UUID],
) -> None:
    """A notice to everyone whose word it needs: that something waits, not what (R17)."""
    for giver in sorted(givers):
        await notices_store.add(session, Notice(new_id(), giver, "citizen", kind, request.request_id, at))


async def read_request(session: WriteSession, by: Requester, request_id: UUID) -> tuple[Request, datetime] | None:
    """One of the unit's own, and the moment its state is to be read at. Audited as `consent_request.read`."""
    request = await requests_store.find_of_unit(session, by.unit, request_id)
    if request is None:
        return None
    now = await clock(session)
    await append(session, [requests_audit.of_look(request, by.actor, at=now)])
    return request, now


async def list_requests(
    session: WriteSession, by: Requester, *, after: tuple[datetime, UUID] | None, limit: int
) -> tuple[tuple[Request, ...], datetime]:
    """A page of the unit's own, newest first. Audited as `consent_request.read` for each that is on it."""
    now = await clock(session)
    found = await requests_store.page_of_unit(session, by.unit, before=after or (now, LAST), limit=limit)
    await append(session, [requests_audit.of_look(request, by.actor, at=now) for request in found])
    return found, now
