"""The one door to everything that may change a decision (`docs/fence.md` §1).

1. The scope rows are created where missing and locked, in key order, in one statement.
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

from libs.common.database import WriteSession, clock
from services.consent import store_scopes
from services.consent.domain.decision import decide
from services.consent.domain.fence import Pair, ScopeKey, broken, next_epoch
from services.consent.domain.snapshot import Question, ScopeState, Snapshot
from services.consent.store_snapshot import load_snapshot

Mutate = Callable[[datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did. `at`: the database's clock after the locks; `epochs`: each scope's epoch from now on.

    `ended`: whether something that was a yes is not any more; then the answer to the citizen waits for a drain.
    """

    at: datetime
    epochs: dict[ScopeKey, int]
    ended: bool


async def change(session: WriteSession, keys: Collection[ScopeKey], mutate: Mutate) -> Changed:
    """Make one change to these scopes. `mutate(now)` reads what it changes itself, after the locks, and writes it.

    Raises IsolationError, and whatever `mutate` raises: then nothing has happened.
    """
    await store_scopes.assert_isolation(session)
    locked = sorted(set(keys))
    await store_scopes.create_missing(session, locked)
    await store_scopes.lock(session, locked)
    now = await clock(session)
    persons = {key.borger_id for key in locked}
    before = await load_snapshot(session, persons)
    await mutate(now)
    after = await load_snapshot(session, persons)
    epochs = {key: next_epoch(_state(after, key).epoch, after.generation) for key in locked}
    turns = {key: _turn(key, before, after, now) for key in locked}
    restarts = {(key, pair): epochs[key] for key, turn in turns.items() for pair in broken(*turn)}
    await store_scopes.bump(session, epochs)
    await store_scopes.restart_coverage(session, restarts)
    return Changed(now, epochs, ended=any(turn.before - turn.after for turn in turns.values()))


class _Turn(NamedTuple):
    """The pairs of one scope whose decision is yes before and after a change, and all of them."""

    before: set[Pair]
    after: set[Pair]
    known: set[Pair]


def _state(snapshot: Snapshot, key: ScopeKey) -> ScopeState:
    return snapshot.persons[key.borger_id].scopes[key.purpose, key.recipient_unit]


def _turn(key: ScopeKey, before: Snapshot, after: Snapshot, now: datetime) -> _Turn:
    known = {*_pairs(key, before), *_pairs(key, after)}
    return _Turn(_permitted(key, known, before, now), _permitted(key, known, after, now), known)


def _permitted(key: ScopeKey, pairs: Collection[Pair], snapshot: Snapshot, now: datetime) -> set[Pair]:
    return {pair for pair in pairs if decide(_question(key, pair), snapshot, now).permitted}


def _question(key: ScopeKey, pair: Pair) -> Question:
    return Question(key.borger_id, pair.holder_unit, key.recipient_unit, key.purpose, pair.category)


def _pairs(key: ScopeKey, snapshot: Snapshot) -> Iterator[Pair]:
    """Every pair that was ever covered in the scope, or that something in force in it names."""
    person = snapshot.persons[key.borger_id]
    yield from (Pair(*pair) for pair in _state(snapshot, key).covered_since)
    for consent in person.consents:
        if (consent.purpose, consent.recipient_unit) == (key.purpose, key.recipient_unit):
            yield from (Pair(consent.holder_unit, category) for category in consent.categories)
    for basis in person.other_bases:
        if (basis.purpose, basis.recipient_unit) == (key.purpose, key.recipient_unit):
            yield Pair(basis.holder_unit, basis.category)
