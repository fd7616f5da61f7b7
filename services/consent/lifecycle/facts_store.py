"""SQL for the facts that sources reported, and for what a person's state is once one of them is taken back."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.common.bus.case_events import Key
from libs.common.database.database import Session, WriteSession, driver

_FIELDS = "source, event_id, type, borger_id, at, unit, case_reference, custody_holders"
_ADD = f"""
INSERT INTO life_fact ({_FIELDS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants
_FIND = f"SELECT {_FIELDS}, corrected_by FROM life_fact WHERE source = $1 AND event_id = $2 FOR UPDATE"  # noqa: S608
_TAKE_BACK = "UPDATE life_fact SET corrected_by = $3 WHERE source = $1 AND event_id = $2"
_STANDING = f"""
SELECT {_FIELDS} FROM life_fact WHERE borger_id = $1 AND type = ANY($2::text[]) AND corrected_by IS NULL
ORDER BY at, type, source, event_id
"""  # noqa: S608 - constants
_FORGET_DEATH = "UPDATE citizen SET died_on = NULL WHERE borger_id = $1"
_FORGET_MOVES = "UPDATE citizen SET moved_out_on = NULL, moved_in_on = NULL WHERE borger_id = $1"
_FORGET_CASE = "DELETE FROM case_fact WHERE borger_id = $1 AND unit = $2 AND case_reference = $3"
_FORGET_CUSTODY = "DELETE FROM custody_fact WHERE child = $1 AND at = $2"


@dataclass(frozen=True, slots=True)
class LifeFact:
    """One fact as its source reported it; `at`: when it happened, by the source's clock. `stands`: uncorrected."""

    source: str
    event_id: str
    type: str
    borger_id: UUID
    at: datetime
    unit: str | None
    case_reference: str | None
    custody_holders: tuple[UUID, ...] | None
    stands: bool = True


async def add(session: WriteSession, key: Key, fact: LifeFact) -> None:
    """Remember a fact by the event that reported it."""
    holders = None if fact.custody_holders is None else list(fact.custody_holders)
    values = (fact.type, fact.borger_id, fact.at, fact.unit, fact.case_reference, holders)
    await driver(session).execute(_ADD, *key, *values)


async def find(session: WriteSession, key: Key) -> LifeFact | None:
    """The fact that this event reported, locked; None when none is kept."""
    row = await driver(session).fetchrow(_FIND, *key)
    return None if row is None else replace(_fact(row), stands=row["corrected_by"] is None)


async def take_back(session: WriteSession, key: Key, by: str) -> None:
    """The fact does not stand any more: the event `by` took its place."""
    await driver(session).execute(_TAKE_BACK, *key, by)


async def standing(session: Session, borger_id: UUID, types: Collection[str]) -> list[LifeFact]:
    """What still stands about a person, of these types, in the order in which it happened.

    Of two at one moment the one that closes or leads away comes last: `aabnet` < `lukket`, `ind` < `ud`.
    """
    return [_fact(row) for row in await driver(session).fetch(_STANDING, borger_id, sorted(types))]


async def forget_death(session: WriteSession, borger_id: UUID) -> None:
    """As if no death had been reported."""
    await driver(session).execute(_FORGET_DEATH, borger_id)


async def forget_moves(session: WriteSession, borger_id: UUID) -> None:
    """As if no move had been reported."""
    await driver(session).execute(_FORGET_MOVES, borger_id)


async def forget_case(session: WriteSession, borger_id: UUID, unit: str, reference: str) -> None:
    """As if the case had never been reported."""
    await driver(session).execute(_FORGET_CASE, borger_id, unit, reference)


async def forget_custody(session: WriteSession, child: UUID, at: datetime) -> None:
    """As if nothing had been reported of the child's custody at that moment; the time line is drawn anew after it."""
    await driver(session).execute(_FORGET_CUSTODY, child, at)


def _fact(row: dict[str, object]) -> LifeFact:
    holders = row["custody_holders"]
    fields = {name: row[name] for name in _FIELDS.split(", ")}
    return LifeFact(**fields | {"custody_holders": None if holders is None else tuple(holders)})  # type: ignore[arg-type]
