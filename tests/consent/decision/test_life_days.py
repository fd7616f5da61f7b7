"""Who must have declared, day by day: rows in the real database, decided an instant before and at the turn.

Every line of the table has its twin: the same declarations are enough on the one side and not on the other.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from services.consent.citizens import authorities_store
from services.consent.citizens.authority import Authority, AuthorityKind, AuthorityStatus
from services.consent.decision.decide import decide
from services.consent.decision.snapshot import Question
from services.consent.decision.store import load_snapshot
from services.consent.model.acting import Role
from services.consent.model.calendar import danish_midnight
from tests.consent.world.fence_world import CATEGORY, FAMILY, World, a_consent

TURN = date(2026, 6, 1)
LONG_AGO, NEVER = date(2020, 1, 1), None
ADULT = date(1980, 2, 3)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Line:
    """Someone born then, in this custody, represented so; who said yes; whether it is enough before and from `turn`."""

    name: str
    born: date
    said: tuple[str, ...]
    before: bool
    after: bool
    custody: dict[str, tuple[date, date | None]] = field(default_factory=dict)
    authorities: tuple[tuple[str, dict], ...] = ()
    special: bool = False
    turn: date = TURN


BOTH = {"mother": (LONG_AGO, NEVER), "father": (LONG_AGO, NEVER)}
MOTHER = {"mother": (LONG_AGO, NEVER)}
FATHER_JOINS = {"mother": (LONG_AGO, NEVER), "father": (TURN, NEVER)}
FATHER_LEAVES = {"mother": (LONG_AGO, NEVER), "father": (LONG_AGO, TURN)}
FROM_15, FROM_18 = date(2011, 6, 1), date(2008, 6, 1)
UNTIL, SINCE = {"valid_to": TURN}, {"valid_from": TURN}
GUARDIAN = {"kind": AuthorityKind.GUARDIAN}
COURT = {**GUARDIAN, "replaces": True}
ELSEWHERE = {"purposes": frozenset({"BOLIG_FOREBYGGELSE"})}

TABLE = (
    # birthdays
    Line("a parent's yes until 15", FROM_15, ("mother",), before=True, after=False, custody=MOTHER),
    Line("one parent of two is not enough", FROM_15, ("mother",), before=False, after=False, custody=BOTH),
    Line("both parents' until 15", FROM_15, ("mother", "father"), before=True, after=False, custody=BOTH),
    Line("one's own from 15", FROM_15, ("self",), before=False, after=True, custody=BOTH),
    Line("special: all three from 15", FROM_15, ("self", "mother"), True, True, custody=MOTHER, special=True),
    Line("special: not the parent alone from 15", FROM_15, ("mother",), True, False, custody=MOTHER, special=True),
    Line("special: one's own alone from 18", FROM_18, ("self",), False, True, custody=BOTH, special=True),
    Line("special: never a parent's alone", FROM_18, ("mother",), False, False, custody=MOTHER, special=True),
    Line("29 February: 15 on 1 March", date(2012, 2, 29), ("mother",), True, False, MOTHER, turn=date(2027, 3, 1)),
    Line("29 February: 18 on 1 March", date(2008, 2, 29), ("self",), False, True, MOTHER, (), True, date(2026, 3, 1)),
    Line("28 February: 15 the same day", date(2011, 2, 28), ("mother",), True, False, MOTHER, turn=date(2026, 2, 28)),
    # custody
    Line("a second holder must say yes too", date(2018, 1, 1), ("mother",), True, False, FATHER_JOINS),
    Line("who is no holder yet is not asked", date(2018, 1, 1), ("mother", "father"), True, True, FATHER_JOINS),
    Line("who is no holder any more is not asked", date(2018, 1, 1), ("mother",), False, True, FATHER_LEAVES),
    Line("whose custody has ended does not count", date(2018, 1, 1), ("father",), False, False, FATHER_LEAVES),
    Line("nobody's child", date(2018, 1, 1), ("mother",), True, False, {"mother": (LONG_AGO, TURN)}),
    # a guardian who replaces, and one who does not
    Line("replaced from the first day", ADULT, ("self",), True, False, authorities=(("anna", {**COURT, **SINCE}),)),
    Line("replaced until the last day", ADULT, ("self",), False, True, authorities=(("anna", {**COURT, **UNTIL}),)),
    Line("in other purposes not", ADULT, ("self",), True, True, authorities=(("anna", {**COURT, **ELSEWHERE}),)),
    Line("a guardian's yes from then", ADULT, ("anna",), False, True, authorities=(("anna", {**COURT, **SINCE}),)),
    Line("a guardian's yes until then", ADULT, ("anna",), True, False, authorities=(("anna", {**GUARDIAN, **UNTIL}),)),
    Line("a guardian beside the citizen", ADULT, ("self",), True, True, authorities=(("anna", {**GUARDIAN, **SINCE}),)),
    # attorneys
    Line("an attorney until the last day", ADULT, ("anna",), True, False, authorities=(("anna", UNTIL),)),
    Line("an attorney from the first day", ADULT, ("anna",), False, True, authorities=(("anna", SINCE),)),
    Line("the citizen anyway", ADULT, ("self",), True, True, authorities=(("anna", UNTIL),)),
    Line("for another purpose never", ADULT, ("anna",), False, False, authorities=(("anna", ELSEWHERE),)),
    Line("nobody's attorney", ADULT, ("anna",), False, False),
    Line("for a child never, from 18", FROM_18, ("anna",), False, True, custody=MOTHER, authorities=(("anna", {}),)),
    *(
        Line(f"{status} never", ADULT, ("anna",), False, False, authorities=(("anna", {"status": status}),))
        for status in AuthorityStatus
        if status is not AuthorityStatus.ACTIVE
    ),
)


async def permitted(world: World, person: UUID, moment: datetime, *, special: bool) -> bool:
    holder, recipient, purpose = FAMILY if special else ("BIF-JOBINDSATS", "SOF-BCV", "KOORDINERING")
    question = Question(person, holder, recipient, purpose, "BARN_SAG" if special else CATEGORY)
    async with world.database.read() as session:
        return decide(question, await load_snapshot(session, [person]), moment).permitted


async def lived(world: World, line: Line) -> UUID:
    """The line's person, rows and all; their consent runs over the turn."""
    known = {name: await world.citizen() for name in ("mother", "father", "anna")}
    person = known["self"] = await world.citizen()
    await world.execute("UPDATE citizen SET birth_date = $2 WHERE borger_id = $1", person, line.born)
    for name, (since, until) in line.custody.items():
        ends = None if until is None else danish_midnight(until)
        query = "INSERT INTO custody (child, holder, valid_from, valid_to) VALUES ($1, $2, $3, $4)"
        await world.execute(query, person, known[name], danish_midnight(since), ends)
    ids = {name: await authorised(world, person, known[name], **changes) for name, changes in line.authorities}
    await declared(world, person, line, known, ids)
    return person


async def authorised(world: World, citizen: UUID, representative: UUID, **changes: object) -> UUID:
    now = datetime.now(UTC)
    made = Authority(
        *(uuid4(), citizen, representative, AuthorityKind.ATTORNEY, False, None),
        *(LONG_AGO, None, "SOF-26-1", "sof101", "SOF-BCV", now, AuthorityStatus.ACTIVE),
    )
    await world.write(lambda session: authorities_store.add(session, replace(made, **changes)))
    return made.authority_id


async def declared(world: World, person: UUID, line: Line, known: dict[str, UUID], ids: dict[str, UUID]) -> None:
    holder, recipient, purpose = FAMILY
    content = {"holder_unit": holder, "recipient_unit": recipient, "purpose": purpose, "categories": {"BARN_SAG"}}
    changes = {"givers": tuple(known[name] for name in line.said), **(content if line.special else {})}
    drawn = a_consent(person, datetime.now(UTC), **changes)
    under = {known[name]: authority_id for name, authority_id in ids.items()}
    said = tuple(
        replace(item, role=Role.ATTORNEY, authority_id=under[item.giver]) if item.giver in under else item
        for item in drawn.declarations
    )
    consent = await world.grant(person, **changes, declarations=said)
    moments = [danish_midnight(line.turn + timedelta(days=days)) for days in (-30, 30)]
    query = "UPDATE consent SET given_at = $2, valid_from = $2, valid_until = $3, ceiling_until = $3"
    await world.execute(f"{query} WHERE consent_id = $1", consent.consent_id, *moments)


async def test_every_line_of_the_table_to_the_instant(world: World):
    wrong = []
    for line in TABLE:
        person = await lived(world, line)
        turn = danish_midnight(line.turn)
        found = [await permitted(world, person, moment, special=line.special) for moment in (turn - INSTANT, turn)]
        if found != [line.before, line.after]:
            wrong.append((line.name, found))
    assert wrong == []


async def test_a_yes_under_one_authority_does_not_count_under_the_next(world: World):
    line = Line("", ADULT, ("anna",), True, True, authorities=(("anna", {}),))
    person = await lived(world, line)
    assert await permitted(world, person, danish_midnight(TURN), special=False)
    anna = await world.value("SELECT representative FROM authority WHERE borger_id = $1", person)
    await world.execute("UPDATE authority SET status = 'ended', ended_at = now() WHERE borger_id = $1", person)
    await authorised(world, person, anna)
    assert not await permitted(world, person, danish_midnight(TURN), special=False)


async def test_a_permit_is_waited_for_no_longer_than_the_day_before_a_known_turn(world: World):
    """The decision says when time alone may change it: a permit's lease never runs past that (docs/fence.md)."""
    for line in TABLE:
        if not line.before or line.after:
            continue
        person = await lived(world, line)
        holder, recipient, purpose = FAMILY if line.special else ("BIF-JOBINDSATS", "SOF-BCV", "KOORDINERING")
        question = Question(person, holder, recipient, purpose, "BARN_SAG" if line.special else CATEGORY)
        async with world.database.read() as session:
            snapshot = await load_snapshot(session, [person])
        turn = danish_midnight(line.turn)
        answer = decide(question, snapshot, turn - timedelta(days=2))
        assert answer.ends_at is not None, line.name
        assert answer.ends_at <= turn, line.name
