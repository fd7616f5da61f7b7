"""The snapshot of a decision holds what the tables hold: every column, whoever reads it, one statement for all."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from services.consent.citizens import authorities_store
from services.consent.consents import store as consents_store
from services.consent.decision.snapshot import Snapshot
from services.consent.decision.store import load_now, load_snapshot
from tests.consent.world.fence_world import World

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


async def _family(world: World) -> tuple[UUID, UUID, UUID]:
    """A child with two custody holders, and in every table that a snapshot reads a row with every column filled."""
    mother, father = await world.citizen(), await world.citizen()
    child = await world.citizen(age=8, parents=[mother, father])
    where = {"holder_unit": "SOF-BCH", "recipient_unit": "BIF-JOBINDSATS", "purpose": "FAMILIEINDSATS"}
    consent = await world.grant(child, categories={"BARN_SAG"}, givers=(mother, father), request_id=uuid4(), **where)
    await world.grant(mother)
    await world.grant(mother, recipient_unit="SOF-HJEMLOESE")
    await world.execute("UPDATE citizen SET moved_out_on = '2024-01-01', moved_in_on = '2025-01-01'")
    await world.execute("UPDATE consent SET answer_by = $1 WHERE consent_id = $2", WHEN, consent.consent_id)
    await world.execute(
        "UPDATE declaration SET authority_id = $1, attested_by = 'sof101', attested_unit = 'SOF-BCV',"
        " confirmed_by = 'sof102' WHERE giver = $2",
        *(uuid4(), father),
    )
    await world.execute("INSERT INTO refusal VALUES ($1, $2, 'KONTAKT', 'SOF-BCV', $3, NULL)", uuid4(), child, WHEN)
    await world.execute(
        "INSERT INTO other_basis VALUES ($1, $2, 'BIF-KANTEN', 'SOF-BCV', 'FREMMOEDE', 'KOORDINERING', 'RSL_11C',"
        " $3, $3, NULL, 'SOF-26-3', 'sof101')",
        *(uuid4(), child, WHEN),
    )
    await world.execute("INSERT INTO case_fact VALUES ($1, 'SOF-BCH', 'SOF-26-1', $2, $2)", child, WHEN)
    await world.execute(
        "INSERT INTO authority (authority_id, borger_id, representative, kind, replaces, purposes, valid_from,"
        " valid_to, evidence, recorded_by, recorded_unit, recorded_at, status, confirmed_by, confirmed_at,"
        " ended_at, revision)"
        " VALUES ($1, $2, $3, 'vaerge', true, ARRAY['KONTAKT'], '2024-01-01', '2030-01-01', 'SOF-26-2', 'sof101',"
        " 'SOF-BCV', $4, 'active', 'sof102', $4, $4, 3)",
        *(uuid4(), child, father, WHEN),
    )
    return child, mother, father


async def test_it_holds_what_the_tables_hold(world: World) -> None:
    child, mother, father = await _family(world)
    async with world.database.read() as session:
        snapshot = await load_snapshot(session, [child, mother, uuid4()])
        consents = {
            borger_id: sorted(await consents_store.open_of(session, borger_id), key=lambda item: item.consent_id)
            for borger_id in (child, mother)
        }
        stored = await authorities_store.active_of(session, child)
    assert set(snapshot.persons) == {child, mother}
    for borger_id, theirs in consents.items():
        assert list(snapshot.persons[borger_id].consents) == theirs
    person = snapshot.persons[child]
    assert person.authorities == stored
    assert {item.holder for item in person.custody} == {mother, father}
    assert (person.moved_out_on, person.moved_in_on, person.died_on) == (date(2024, 1, 1), date(2025, 1, 1), None)
    ((_, purpose, unit, at, lifted),) = [
        (item.refusal_id, item.purpose, item.recipient_unit, item.recorded_at, item.lifted_at)
        for item in person.refusals
    ]
    assert (purpose, unit, at, lifted) == ("KONTAKT", "SOF-BCV", WHEN, None)
    (basis,) = person.other_bases
    assert (basis.holder_unit, basis.recipient_unit, basis.category) == ("BIF-KANTEN", "SOF-BCV", "FREMMOEDE")
    assert (basis.purpose, basis.legal_basis, basis.valid_from) == ("KOORDINERING", "RSL_11C", WHEN)
    (case,) = person.cases
    assert (case.unit, case.opened_at, case.closed_at) == ("SOF-BCH", WHEN, WHEN)
    scope = person.scopes["FAMILIEINDSATS", "BIF-JOBINDSATS"]
    assert scope.epoch == await world.epoch(child, "FAMILIEINDSATS", "BIF-JOBINDSATS")
    assert set(scope.covered_since) == {("SOF-BCH", "BARN_SAG")}
    assert len(snapshot.persons[mother].scopes) == 2


async def test_one_person_and_many_and_an_opinion_read_the_same(world: World) -> None:
    child, mother, father = await _family(world)
    async with world.database.read() as session:
        many = await load_snapshot(session, [child, mother, father])
        family = await load_snapshot(session, [child], with_holders=True)
        one = await load_snapshot(session, [child])
        opinion, now = await load_now(session, [child])
        nobody, _ = await load_now(session, [])
    assert family == many
    assert one.persons == {child: many.persons[child]}
    assert abs((now - datetime.now(UTC)).total_seconds()) < 60
    stripped = Snapshot(opinion.catalogue, one.persons, opinion.generation)
    assert {
        name: getattr(opinion.persons[child], name) for name in ("consents", "custody", "cases", "authorities")
    } == {name: getattr(stripped.persons[child], name) for name in ("consents", "custody", "cases", "authorities")}
    assert opinion.persons[child].scopes == {}
    assert (nobody.persons, nobody.generation) == ({}, many.generation)
