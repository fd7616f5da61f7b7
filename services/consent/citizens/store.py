"""Citizens, custody and case facts. A CPR number comes here only hashed and sealed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from libs.common.database.database import Session, WriteSession
from services.consent.citizens.family import Custody, CustodyFact, timeline
from services.consent.citizens.tables import case_fact, citizen, custody, custody_fact
from services.consent.citizens.vault import Sealed

# Two processes with different active keys must not make two citizens of one number.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('citizen:' || encode($1::bytea, 'hex'), 0))"
_FIND = (
    "SELECT borger_id, birth_date, lookup_key_version FROM citizen WHERE (lookup_key_version, cpr_lookup) IN"
    " (SELECT * FROM unnest($1::text[], $2::bytea[])) ORDER BY created_at LIMIT 1"
)

_MOVE_OUT = """
UPDATE citizen SET moved_out_on = CASE
  WHEN moved_out_on IS NULL THEN $2::date
  WHEN moved_in_on > moved_out_on THEN greatest(moved_out_on, $2::date)
  WHEN $2::date < moved_in_on THEN moved_out_on
  ELSE least(moved_out_on, $2::date) END
WHERE borger_id = $1
"""
_MOVE_IN = "UPDATE citizen SET moved_in_on = greatest(moved_in_on, $2::date) WHERE borger_id = $1"


@dataclass(frozen=True, slots=True)
class Citizen:
    """Who someone is here: a pseudonym and a birth date. `key_version`: the look-up key their row is found by."""

    borger_id: UUID
    birth_date: date
    key_version: str


async def lock_number(session: WriteSession, lookup: bytes) -> None:
    """One creator at a time per number; `lookup` must be the hash under a key version that every process knows."""
    await session.exec_driver_sql(_LOCK, (lookup,))


async def find_by_number(session: Session, lookups: Mapping[str, bytes]) -> Citizen | None:
    """The citizen whose number has one of these hashes, by key version."""
    rows = await session.exec_driver_sql(_FIND, (list(lookups), list(lookups.values())))
    row = rows.one_or_none()
    return None if row is None else Citizen(row.borger_id, row.birth_date, row.lookup_key_version)


async def add(session: WriteSession, found: Citizen, *, lookup: bytes, sealed: Sealed, created_at: datetime) -> None:
    """A new citizen."""
    await session.execute(
        insert(citizen).values(
            borger_id=found.borger_id,
            cpr_lookup=lookup,
            lookup_key_version=found.key_version,
            cpr_ciphertext=sealed.ciphertext,
            encryption_key_version=sealed.key_version,
            birth_date=found.birth_date,
            created_at=created_at,
        )
    )


async def rekey(session: WriteSession, borger_id: UUID, *, version: str, lookup: bytes, sealed: Sealed) -> None:
    """Move a row to another version of the keys."""
    values = {"lookup_key_version": version, "cpr_lookup": lookup, "cpr_ciphertext": sealed.ciphertext}
    query = update(citizen).where(citizen.c.borger_id == borger_id)
    await session.execute(query.values(**values, encryption_key_version=sealed.key_version))


async def born(session: Session, borger_id: UUID) -> date | None:
    """A citizen's birth date; None when nobody has that id."""
    query = select(citizen.c.birth_date).where(citizen.c.borger_id == borger_id)
    return (await session.execute(query)).scalar_one_or_none()


async def custody_of(session: Session, child: UUID) -> tuple[Custody, ...]:
    """Every custody link of a child, past ones too."""
    rows = await session.execute(select(custody).where(custody.c.child == child).order_by(custody.c.valid_from))
    return tuple(Custody(row.holder, row.valid_from, row.valid_to) for row in rows)


async def children_of(session: Session, holder: UUID, now: datetime) -> dict[UUID, date]:
    """Those someone holds custody of now, with their birth dates."""
    links = select(citizen.c.borger_id, citizen.c.birth_date).join(custody, custody.c.child == citizen.c.borger_id)
    query = links.where(
        custody.c.holder == holder,
        custody.c.valid_from <= now,
        custody.c.valid_to.is_(None) | (custody.c.valid_to > now),
    )
    return {row.borger_id: row.birth_date for row in await session.execute(query)}


async def set_custody(session: WriteSession, child: UUID, holders: Collection[UUID], at: datetime) -> None:
    """From `at` on exactly these hold custody, until the next fact that is known, told before or after this one."""
    await tell_custody(session, child, holders, at)
    await draw_custody(session, child)


async def tell_custody(session: WriteSession, child: UUID, holders: Collection[UUID], at: datetime) -> None:
    """Keep what was told of the custody from `at` on; `draw_custody` makes the time line of it."""
    told = insert(custody_fact).values(child=child, at=at, holders=sorted(holders))
    corrected = {"holders": told.excluded.holders}
    await session.execute(told.on_conflict_do_update(index_elements=["child", "at"], set_=corrected))


async def draw_custody(session: WriteSession, child: UUID) -> None:
    """Make the child's custody links what follows from everything that was told."""
    rows = await session.execute(select(custody_fact.c.at, custody_fact.c.holders).where(custody_fact.c.child == child))
    follows = timeline(CustodyFact(row.at, frozenset(row.holders)) for row in rows)
    await session.execute(delete(custody).where(custody.c.child == child))
    if follows:
        links = [{"holder": item.holder, "valid_from": item.valid_from, "valid_to": item.valid_to} for item in follows]
        await session.execute(insert(custody).values([{"child": child, **link} for link in links]))


async def set_died(session: WriteSession, borger_id: UUID, day: date) -> None:
    """Record a death."""
    await session.execute(update(citizen).where(citizen.c.borger_id == borger_id).values(died_on=day))


async def set_moved_out(session: WriteSession, borger_id: UUID, day: date) -> None:
    """Record that someone leaves, or has left, the municipality. A late word of what they came back from is too late.

    Of two words of the same move the earlier day stands.
    """
    await session.exec_driver_sql(_MOVE_OUT, (borger_id, day))


async def set_moved_in(session: WriteSession, borger_id: UUID, day: date) -> None:
    """Record that someone has moved back. It revives nothing: what closed stays closed."""
    await session.exec_driver_sql(_MOVE_IN, (borger_id, day))


async def open_case(session: WriteSession, borger_id: UUID, unit: str, reference: str, *, at: datetime) -> None:
    """A unit has a case. A closing later than `at` stands; an earlier one is undone: the case is open again."""
    statement = insert(case_fact).values(borger_id=borger_id, unit=unit, case_reference=reference, opened_at=at)
    reopened = {"opened_at": at, "closed_at": None}
    earlier = case_fact.c.closed_at.is_(None) | (case_fact.c.closed_at <= at)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["borger_id", "unit", "case_reference"], set_=reopened, where=earlier
        )
    )


async def close_case(session: WriteSession, borger_id: UUID, unit: str, reference: str, *, at: datetime) -> None:
    """A unit's case is closed. One opened again later than `at` stays open."""
    statement = insert(case_fact).values(borger_id=borger_id, unit=unit, case_reference=reference, closed_at=at)
    earlier = case_fact.c.opened_at.is_(None) | (case_fact.c.opened_at <= at)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["borger_id", "unit", "case_reference"], set_={"closed_at": at}, where=earlier
        )
    )


async def has_open_case(session: Session, borger_id: UUID, unit: str, now: datetime) -> bool:
    """Whether a case of the unit about the person is known and open."""
    query = select(case_fact.c.unit).where(
        case_fact.c.borger_id == borger_id,
        case_fact.c.unit == unit,
        case_fact.c.closed_at.is_(None) | (case_fact.c.closed_at > now),
    )
    return (await session.execute(query.limit(1))).first() is not None
