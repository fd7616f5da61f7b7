"""The one door to everything that may change a decision (`docs/fence.md`).

1. The scope rows are created where missing and locked, in key order, in one statement; with them those that a unit
   mapping ties to them (R36).
2. The clock is read after the locks: the transaction's start may be stale by the whole wait.
3. Every (holder unit, category) of each scope is decided, the change is made, and every one is decided again.
4. Each scope's epoch goes up by one. A pair whose decision is not yes both before and after is covered anew from it.

Whatever permits are open at an older epoch are then older than the change: what ends something drains them
(`drain.py`) before it is answered `200`.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from libs.common.database.database import Session, WriteSession, clock
from services.consent.catalogue import store as catalogue_store
from services.consent.decision.coverage import is_unbroken
from services.consent.decision.decide import decide
from services.consent.decision.epochs import Pair, broken, next_epoch
from services.consent.decision.snapshot import Question, ScopeState, Snapshot
from services.consent.decision.store import load_snapshot
from services.consent.decision.unit_mapping import together
from services.consent.model.scope import ScopeKey
from services.consent.scopes import store as scopes_store

Mutate = Callable[[datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did. `at`: the database's clock after the locks; `epochs`: each scope's epoch from now on.

    `ended`: whether something that was a yes is not any more; then the answer to the citizen waits for a drain.
    """

    at: datetime
    epochs: dict[ScopeKey, int]
    ended: bool


class Locked(NamedTuple):
    """Scopes that exist and are locked, in key order; the clock after it; the state read after it."""

    keys: list[ScopeKey]
    at: datetime
    snapshot: Snapshot


async def change(session: WriteSession, keys: Collection[ScopeKey], mutate: Mutate) -> Changed:
    """Make one change to these scopes. `mutate(now)` reads what it changes itself, after the locks, and writes it.

    Raises IsolationError, and whatever `mutate` raises: then nothing has happened.
    """
    await scopes_store.assert_isolation(session)
    await scopes_store.create_missing(session, sorted(set(keys)))
    locked, now, before = await lock(session, keys)
    await mutate(now)
    after = await load_snapshot(session, before.persons)
    turns = {key: _turn(key, before, after, now) for key in locked}
    restarts = {key: broken(*turn) for key, turn in turns.items()}
    epochs = await _bump(session, after, restarts, now)
    return Changed(now, epochs, ended=any(turn.before - turn.after for turn in turns.values()))


async def renew(session: WriteSession, keys: Collection[ScopeKey]) -> None:
    """Let coverage begin anew, from now on, where today's yes is not covered without a break.

    So it is after a gap in the catalogue, and where a mapping lets a unit be told for the first time (R35, R36).
    """
    await scopes_store.assert_isolation(session)
    await scopes_store.create_missing(session, sorted(set(keys)))
    locked, now, snapshot = await lock(session, keys)
    lapsed = {key: _lapsed(key, snapshot, now) for key in locked}
    await _bump(session, snapshot, {key: pairs for key, pairs in lapsed.items() if pairs}, now)


async def lock(session: WriteSession, keys: Collection[ScopeKey]) -> Locked:
    """Lock these scopes and those tied to them by a mapping, as far as they exist; then read the clock and the state.

    All in one statement, in key order, by the catalogue that this process knows. Should a newer one tie more of them,
    those are locked too, and the state is read again.
    """
    wanted = await tied(session, keys)
    while True:
        found = await scopes_store.lock(session, sorted(wanted))
        now = await clock(session)
        snapshot = await load_snapshot(session, {key.borger_id for key in keys})
        if together(keys, snapshot.catalogue, now) <= wanted:
            return Locked(sorted(found), now, snapshot)
        wanted |= together(keys, snapshot.catalogue, now)


async def tied(session: Session, keys: Collection[ScopeKey]) -> set[ScopeKey]:
    """These scopes and those that the newest catalogue that this pool knows ties to them. Costs nothing without one."""
    known = catalogue_store.latest(session)
    return together(keys, known, await clock(session)) if known.unit_mappings else set(keys)


class _Turn(NamedTuple):
    """The pairs of one scope whose decision is yes before and after a change, and all of them."""

    before: set[Pair]
    after: set[Pair]
    known: set[Pair]


async def _bump(
    session: WriteSession, snapshot: Snapshot, restarts: dict[ScopeKey, set[Pair]], now: datetime
) -> dict[ScopeKey, int]:
    """Raise the epoch of each of these scopes, and let the coverage of its pairs begin there."""
    epochs = {key: next_epoch(_state(snapshot, key).epoch, snapshot.generation) for key in restarts}
    await scopes_store.bump(session, epochs)
    since = {(key, pair): epochs[key] for key, pairs in restarts.items() for pair in pairs}
    await scopes_store.restart_coverage(session, since, now)
    return epochs


def _state(snapshot: Snapshot, key: ScopeKey) -> ScopeState:
    return snapshot.persons[key.borger_id].scopes[key.purpose, key.recipient_unit]


def _turn(key: ScopeKey, before: Snapshot, after: Snapshot, now: datetime) -> _Turn:
    known = {*_pairs(key, before, now), *_pairs(key, after, now)}
    return _Turn(_permitted(key, known, before, now), _permitted(key, known, after, now), known)


def _permitted(key: ScopeKey, pairs: Collection[Pair], snapshot: Snapshot, now: datetime) -> set[Pair]:
    return {pair for pair in pairs if decide(_question(key, pair), snapshot, now).permitted}


def _lapsed(key: ScopeKey, snapshot: Snapshot, now: datetime) -> set[Pair]:
    covered = _state(snapshot, key).covered_since
    return {
        pair
        for pair in _permitted(key, set(_pairs(key, snapshot, now)), snapshot, now)
        if pair not in covered or not is_unbroken(_question(key, pair), covered[pair], snapshot, now)
    }


def _question(key: ScopeKey, pair: Pair) -> Question:
    return Question(key.borger_id, pair.holder_unit, key.recipient_unit, key.purpose, pair.category)


def _pairs(key: ScopeKey, snapshot: Snapshot, now: datetime) -> Iterator[Pair]:
    """Every pair that was ever covered in the scope, or that something in force in it names or counts for."""
    person, catalogue = snapshot.persons[key.borger_id], snapshot.catalogue
    yield from (Pair(*pair) for pair in _state(snapshot, key).covered_since)
    for consent in person.consents:
        here = catalogue.stands_for(consent.recipient_unit, key.recipient_unit, now)
        if here and consent.purpose == key.purpose:
            holder = catalogue.counts_as(consent.holder_unit, now) or consent.holder_unit
            yield from (Pair(holder, category) for category in consent.categories)
    for basis in person.other_bases:
        if (basis.purpose, basis.recipient_unit) == (key.purpose, key.recipient_unit):
            yield Pair(basis.holder_unit, basis.category)
