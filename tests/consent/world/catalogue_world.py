"""The catalogue of a test's own database, changed below the administration: what a municipality did on other days."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from libs.common.wire.permits import Arrival, ArrivalAnswer, Position
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.form import RawEntry, build
from services.consent.fence import arrivals
from services.consent.model.calendar import danish_date
from services.consent.scopes import scopes
from tests.consent.world.fence_world import EVENT, HOLDER_UNIT, World

TARGET = "SOF-HJEMLOESE"


def day(offset: int) -> date:
    """A Danish calendar day, counted from today."""
    return danish_date(datetime.now(UTC)) + timedelta(days=offset)


async def rewrite(world: World, change: Callable[[list[RawEntry]], None]) -> None:
    """Replace the stored catalogue by what `change` makes of it. Refused when it contradicts itself."""

    async with world.database.read() as session:
        raw = [deepcopy(entry) for entry in await catalogue_store.entries(session)]
    change(raw)
    revision = build(raw).revision
    await world.own(lambda session: catalogue_store.save(session, raw, revision))


def entry_of(raw: list[RawEntry], kind: str, code: str) -> RawEntry:
    """The newest version of an entry."""
    return max((e for e in raw if (e.kind, e.body["code"]) == (kind, code)), key=lambda e: e.body["version"])


def ends(kind: str, code: str, on: date) -> Callable[[list[RawEntry]], None]:
    """Close an entry."""

    def change(raw: list[RawEntry]) -> None:
        entry_of(raw, kind, code).body["valid_to"] = on.isoformat()

    return change


def begins_again(kind: str, code: str, on: date, **changes: Any) -> Callable[[list[RawEntry]], None]:
    """The next version of an entry."""

    def change(raw: list[RawEntry]) -> None:
        old = entry_of(raw, kind, code).body
        version = old["version"] + 1
        raw.append(
            RawEntry(kind, {**old, "version": version, "valid_from": on.isoformat(), "valid_to": None, **changes})
        )

    return change


def maps(code: str, to_unit: str, on: date) -> Callable[[list[RawEntry]], None]:
    """A recorded decision."""

    def change(raw: list[RawEntry]) -> None:
        body = {
            "code": code,
            "version": 1,
            "valid_from": on.isoformat(),
            "valid_to": None,
            "label": {"da": "Lagt sammen", "en": "Merged"},
            "source": "2026-0001",
            "to_unit": to_unit,
            "decided_on": on.isoformat(),
            "decided_by": "SOF-DIREKTION",
        }
        raw.append(RawEntry("unit_mappings", body))

    return change


async def long_ago(world: World, borger_id: UUID, days: int = 30) -> None:
    """Let everything about a person have been recorded that long ago."""
    past = timedelta(days=days)
    await world.execute("UPDATE coverage SET since_at = since_at - $2::interval WHERE borger_id = $1", borger_id, past)
    await world.execute(
        "UPDATE consent SET given_at = given_at - $2::interval, valid_from = valid_from - $2::interval"
        " WHERE borger_id = $1",
        *(borger_id, past),
    )


async def arrive(world: World, borger_id: UUID, *, renew: bool = True) -> ArrivalAnswer:
    """An event arrives, as the HTTP door takes it in: what has lapsed begins anew, and is asked for again."""
    arrival = Arrival(
        event_id="e1",
        type=EVENT,
        borger_id=borger_id,
        holder_unit=HOLDER_UNIT,
        occurred_at=datetime.now(UTC),
        position=Position(topic="case.events", partition=0, offset=0),
    )
    async with world.database.read() as session:
        found = await arrivals.examine(session, [arrival])
    if not (renew and found.lapsed):
        return found.answers[0]
    await world.write(lambda session: scopes.renew(session, found.lapsed))
    return await arrive(world, borger_id, renew=False)
