"""Acquire, preview and settle: the right to make one disclosure, taken and given back (`docs/fence.md`).

An acquire is one READ COMMITTED transaction, and its steps keep this order:

1. the holder's row is share-locked, and lives;
2. the scope rows of all items are locked, sorted, in one statement;
3. in further statements the clock, the ids known already and the state are read, and every disclosure is judged;
4. permits, what they reveal, use rows and audit entries are written, and committed together.

An id seen before answers as it did the first time: granted with what is left of its lease, or, once settled or dead,
refused. A deadlock is repeated by the edge with the same ids.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from libs.common.database.database import ReadSession, WriteSession, clock
from libs.common.outbox.outbox import append
from libs.common.wire.permits import Permit, PermitItem, SettleItem
from services.consent.decision.epochs import PermitState, lease_ms
from services.consent.decision.snapshot import Snapshot
from services.consent.decision.store import load_snapshot
from services.consent.decision.unit_mapping import together
from services.consent.fence import audit as fence_audit
from services.consent.fence import holders_store, permits_store
from services.consent.fence.permits_store import Known, NewPermit, NewPermitScope
from services.consent.fence.permitting import Asked, Judgement, Refused, Revealed, judge
from services.consent.model.scope import ScopeKey
from services.consent.scopes import scopes
from services.consent.scopes import store as scopes_store
from services.consent.uses import store as uses_store
from services.consent.uses.store import Use, UseKey


class HolderDeadError(Exception):
    """The holder is unknown or confirmed dead. Not a refusal: the caller must not conclude anything from it."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """A disclosure judged lawful, and how long it may be waited with."""

    item: PermitItem
    judgement: Judgement
    lease_ms: int


@dataclass(frozen=True, slots=True)
class NotPermitted:
    """A disclosure refused: why, for the audit trail, and because of whom."""

    item: PermitItem
    reason: str
    person: UUID


async def acquire(
    session: WriteSession, holder_id: UUID, items: Sequence[PermitItem], *, longest_ms: int
) -> list[Permit]:
    """Open the permits that may be opened; what is missing in the answer is refused. Ids are unique in `items`.

    Raises HolderDeadError, IsolationError.
    """
    if not await holders_store.share_lock(session, holder_id):
        raise HolderDeadError
    if not items:
        return []
    now, known, snapshot = await _locked(session, items)
    fresh = [item for item in items if item.permit_id not in known]
    verdicts = [_verdict(item, snapshot, now, longest_ms) for item in fresh]
    opened, refused = await _open(session, holder_id, verdicts, now)
    await append(session, fence_audit.of_acquire(opened, refused, now))
    repeated = (_again(item, known[item.permit_id], holder_id, now) for item in items if item.permit_id in known)
    return [permit for permit in repeated if permit is not None] + [
        Permit(permit_id=yes.item.permit_id, lease_ms=yes.lease_ms, consents=yes.judgement.consents) for yes in opened
    ]


async def _locked(session: WriteSession, items: Sequence[PermitItem]) -> tuple[datetime, dict[UUID, Known], Snapshot]:
    """Lock the scopes of all items in one statement, and read clock, ids and state in further ones.

    A unit mapping newer than what this process knows ties more scopes together: then those too, and read again (R36).
    """
    keys = _keys(items)
    held = await scopes.tied(session, keys)
    while True:
        await scopes_store.lock(session, sorted(held))
        now, known = await permits_store.read_known(session, [item.permit_id for item in items])
        snapshot = await load_snapshot(session, _persons(items))
        tied = together(keys, snapshot.catalogue, now)
        if tied <= held:
            return now, known, snapshot
        held |= tied


async def preview(session: ReadSession, items: Sequence[PermitItem]) -> tuple[list[UUID], list[NotPermitted]]:
    """Which of these would be granted now, and what is refused. An opinion: nothing is locked and nothing permitted."""
    now = await clock(session)
    snapshot = await load_snapshot(session, _persons(items))
    verdicts = [_verdict(item, snapshot, now, 1) for item in items]
    refused = [verdict for verdict in verdicts if isinstance(verdict, NotPermitted)]
    return [verdict.item.permit_id for verdict in verdicts if isinstance(verdict, Permitted)], refused


async def record_refused(session: WriteSession, refused: Sequence[NotPermitted]) -> None:
    """Put refusals on the record: whoever asked first is told no, and will not ask again (R20)."""
    await append(session, fence_audit.of_acquire([], refused, await clock(session)))


async def settle(session: WriteSession, holder_id: UUID, items: Sequence[SettleItem]) -> None:
    """End these permits for good, known or not; the first outcome of an id stands. Never refuses.

    What was not sent, or may have been, is taken into account in the use log.
    """
    await scopes_store.assert_isolation(session)
    outcomes: dict[UUID, str] = {}
    for item in items:
        outcomes.setdefault(item.permit_id, item.outcome)
    ended = await permits_store.settle(session, holder_id, outcomes)
    await uses_store.correct(session, ((part.use, part.outcome) for part in ended))


def _verdict(item: PermitItem, snapshot: Snapshot, now: datetime, longest_ms: int) -> Permitted | NotPermitted:
    judgement = judge(_asked(item), snapshot, now)
    if judgement.refusal is not None:
        return NotPermitted(item, judgement.refusal, judgement.person or item.reveals[0].borger_id)
    lease = lease_ms(now, longest_ms=longest_ms, ends_at=[part.ends_at for part in judgement.parts])
    return (
        Permitted(item, judgement, lease)
        if lease > 0
        else NotPermitted(item, Refused.ENDING, item.reveals[0].borger_id)
    )


async def _open(
    session: WriteSession, holder_id: UUID, verdicts: Iterable[Permitted | NotPermitted], now: datetime
) -> tuple[list[Permitted], list[NotPermitted]]:
    """Write the permits. An id that was settled meanwhile is refused: its tombstone stands in the way."""
    yes, no = [], []
    for verdict in verdicts:
        yes.append(verdict) if isinstance(verdict, Permitted) else no.append(verdict)
    if not yes:
        return [], no
    inserted = await permits_store.insert(session, holder_id, now, [_new(item, now) for item in yes])
    opened = [item for item in yes if item.item.permit_id in inserted]
    await permits_store.insert_scopes(session, holder_id, [scope for item in opened for scope in _reveals(item)])
    await uses_store.record(session, [use for item in opened for use in _uses(item, now)], now)
    tombs = [item.item for item in yes if item.item.permit_id not in inserted]
    return opened, no + [NotPermitted(item, Refused.ID_USED, item.reveals[0].borger_id) for item in tombs]


def _again(item: PermitItem, known: Known, holder_id: UUID, now: datetime) -> Permit | None:
    """The first answer to this id: its lease goes on running out, it does not start again."""
    same = known.holder_id == holder_id and known.request_sha256 == _fingerprint(item)
    if known.state is not PermitState.OPEN or not same or known.lease_until is None:
        return None
    left_ms = max(0, (known.lease_until - now) // timedelta(milliseconds=1))
    return Permit(permit_id=item.permit_id, lease_ms=left_ms, consents=known.consents)


def _fingerprint(item: PermitItem) -> bytes:
    """What makes two acquires of one id the same: all of it but the correlation id."""
    return sha256(item.model_dump_json(exclude={"correlation_id"}).encode()).digest()


def _asked(item: PermitItem) -> Asked:
    reveals = tuple(Revealed(told.borger_id, told.category, told.epoch) for told in item.reveals)
    return Asked(item.event_type, item.holder_unit, item.recipient_unit, item.purpose, reveals)


def _persons(items: Collection[PermitItem]) -> set[UUID]:
    return {told.borger_id for item in items for told in item.reveals}


def _keys(items: Collection[PermitItem]) -> list[ScopeKey]:
    return sorted(
        {ScopeKey(told.borger_id, item.purpose, item.recipient_unit) for item in items for told in item.reveals}
    )


def _new(yes: Permitted, now: datetime) -> NewPermit:
    item = yes.item
    return NewPermit(
        permit_id=item.permit_id,
        notification_id=item.notification_id,
        actor=item.actor,
        kind=item.kind,
        request_sha256=_fingerprint(item),
        lease_until=now + timedelta(milliseconds=yes.lease_ms),
        consents=yes.judgement.consents,
    )


def _reveals(yes: Permitted) -> list[NewPermitScope]:
    item = yes.item
    return [
        NewPermitScope(item.permit_id, part.borger_id, item.purpose, item.recipient_unit, part.epoch)
        for part in yes.judgement.parts
    ]


def _uses(yes: Permitted, now: datetime) -> list[Use]:
    item = yes.item
    return [
        Use(
            key=UseKey.of(item.notification_id, part.borger_id, item.actor, item.kind, acquired_at=now),
            purpose=item.purpose,
            recipient_unit=item.recipient_unit,
            holder_unit=item.holder_unit,
            categories=part.categories,
            event_type=item.event_type,
            consents=part.consents,
        )
        for part in yes.judgement.parts
    ]
