"""Properties: asking over HTTP is `decide` on the same rows, and a search is the set of questions answered yes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.consent.access.questions import (
    Asker,
    Semantic,
    found,
    information_for,
    opinions,
    purposes_of,
    recipients_of,
)
from services.consent.catalogue.entries import Catalogue, Offer, index
from services.consent.consents.consent import Consent
from services.consent.decision.decide import decide
from services.consent.decision.snapshot import OtherBasis, Person, Question, Refusal, Snapshot
from services.consent.decision.store import load_snapshot
from tests.consent.world.access_door import GATEWAY, HOLDER, RECEIVER, action, decisions, resource, search, subject
from tests.consent.world.door import Door
from tests.consent.world.examples import GROWN, NOW, PETER, a_consent, a_declaration, the_catalogue
from tests.consent.world.fence_world import HOLDER_UNIT, RECIPIENT, World

BASE = the_catalogue()
UNITS = ("BIF-JOBINDSATS", "BIF-KANTEN", "SOF-BCV", "SOF-RUSMIDDEL")
PURPOSES = ("KOORDINERING", "FAELLES_PLAN", "BEHANDLING_FASTHOLDELSE")
CATEGORIES = ("FREMMOEDE", "PLANER", "RUSMIDDEL", "KRISECENTER")
ASKERS = [Asker(None), *(Asker(unit) for unit in UNITS)]
units, purposes, categories = st.sampled_from(UNITS), st.sampled_from(PURPOSES), st.sampled_from(CATEGORIES)


def _narrowed(draw: st.DrawFn, code: str, kind: str) -> Any:
    """A version of an entry with drawn validity: in force, ended, or not begun."""
    entry = getattr(BASE, kind)[code][-1]
    ends = draw(st.sampled_from([None] * 8 + [date(2026, 1, 1), date(2027, 1, 1)]))
    return replace(entry, valid_to=ends, valid_from=draw(st.sampled_from([entry.valid_from] * 9 + [date(2026, 12, 1)])))


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    pairs = st.builds(Offer, holder=units, recipient=units)
    offered = [
        replace(
            _narrowed(draw, code, "purposes"),
            between=tuple(draw(st.lists(pairs, min_size=2, max_size=8))),
            categories=tuple(draw(st.lists(categories, unique=True, min_size=1))),
        )
        for code in PURPOSES
    ]
    return replace(
        BASE,
        units=index(_narrowed(draw, code, "units") for code in UNITS),
        purposes=index(offered),
        categories=index(BASE.categories[code][-1] for code in CATEGORIES),
    )


@st.composite
def consents(draw: st.DrawFn, catalogue: Catalogue) -> Consent:
    """Mostly about what is offered, so that there is something to find."""
    purpose = catalogue.purposes[draw(purposes)][-1]
    offer = draw(st.sampled_from([*purpose.between * 3, Offer(draw(units), draw(units))]))
    told = frozenset(draw(st.lists(st.sampled_from([*purpose.categories * 2, *CATEGORIES]), unique=True, min_size=1)))
    return a_consent(
        consent_id=uuid4(),
        purpose=purpose.code,
        holder_unit=offer.holder,
        recipient_unit=offer.recipient,
        categories=told,
        valid_until=NOW + timedelta(days=draw(st.sampled_from([-1, 100, 100, 100]))),
        declarations=(a_declaration(affirmed=draw(st.sampled_from([told, told, frozenset()]))),),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    catalogue = draw(catalogues())
    refused = [
        Refusal(uuid4(), draw(purposes), draw(units), NOW - timedelta(days=1), None)
        for _ in range(draw(st.integers(0, 1)))
    ]
    bases = [
        OtherBasis(
            *(uuid4(), draw(units), draw(units), draw(categories), draw(purposes)),
            *(draw(st.sampled_from(["RSL_11A_2", "GDPR_SAMTYKKE"])), NOW - timedelta(days=1), NOW + timedelta(days=1)),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    person = Person(
        borger_id=PETER,
        birth_date=draw(st.sampled_from([GROWN, GROWN, GROWN, date(2015, 1, 1)])),
        died_on=draw(st.sampled_from([None] * 9 + [date(2026, 1, 1)])),
        consents=tuple(draw(st.lists(consents(catalogue), min_size=2, max_size=8))),
        refusals=tuple(refused),
        other_bases=tuple(bases),
    )
    return Snapshot(catalogue, draw(st.sampled_from([{PETER: person}] * 19 + [{}])))


ALL = [Question(PETER, *parts) for parts in product(UNITS, UNITS, PURPOSES, CATEGORIES)]


@given(snapshots(), st.sampled_from(ASKERS), st.lists(st.sampled_from(ALL), min_size=1, max_size=4))
@settings(max_examples=100)
def test_every_search_is_sound_and_complete(snapshot: Snapshot, asker: Asker, about: list[Question]) -> None:
    answers = opinions(ALL, asker, snapshot, NOW, semantic=Semantic.EXECUTE_ALL)
    yes = [answer.question for answer in answers if answer.permitted]
    assert yes == [q for q in ALL if decide(q, snapshot, NOW).permitted and asker.may_know(q)]
    for question in {*about, *yes[:2]}:
        sought = {
            recipients_of: question._replace(recipient_unit=""),
            purposes_of: question._replace(purpose=""),
            information_for: question._replace(holder_unit="", category=""),
        }
        for search_for, asked in sought.items():
            given_words = [name for name in asked._fields if getattr(asked, name)]
            expected = {q for q in yes if all(getattr(q, name) == getattr(asked, name) for name in given_words)}
            results = found(search_for(asked, snapshot), asker, snapshot, NOW)
            assert len(results) == len(expected)
            assert set(results) == expected


@given(snapshots(), st.lists(st.sampled_from([*ALL, None]), max_size=40), st.sampled_from(Semantic))
@settings(max_examples=80)
def test_a_call_with_several_questions_answers_each_as_if_alone_until_it_stops(snapshot, asked, semantic) -> None:
    answers = opinions(asked, Asker(None), snapshot, NOW, semantic=semantic)
    alone = [question is not None and decide(question, snapshot, NOW).permitted for question in asked]
    stop = {Semantic.DENY_ON_FIRST_DENY: False, Semantic.PERMIT_ON_FIRST_PERMIT: True}.get(semantic)
    until = alone.index(stop) + 1 if stop in alone else len(alone)
    assert [answer.permitted for answer in answers] == alone[:until]
    assert [answer.question for answer in answers] == asked[:until]


def _entities(question: Question) -> dict[str, Any]:
    about = resource(question.borger_id, question.category, question.holder_unit)
    return {"subject": subject(question.recipient_unit), "action": action(question.purpose), "resource": about}


@given(st.data())
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
async def test_http_answers_what_the_same_rows_decide(door: Door, world: World, data: st.DataObject) -> None:
    borger_id = await world.citizen(age=data.draw(st.sampled_from([40, 16, 8])))
    for _ in range(data.draw(st.integers(1, 3))):
        told = frozenset(data.draw(st.lists(categories, unique=True, min_size=1)))
        holder, recipient = data.draw(st.sampled_from([(HOLDER_UNIT, RECIPIENT), ("SOF-RUSMIDDEL", HOLDER_UNIT)]))
        where = {"holder_unit": holder, "recipient_unit": recipient, "purpose": data.draw(purposes)}
        await world.grant(borger_id, categories=told, **where)
    if data.draw(st.booleans()):
        await world.execute(
            "INSERT INTO other_basis VALUES ($1, $2, 'BIF-KANTEN', 'SOF-BCV', 'FREMMOEDE', 'KOORDINERING', $3,"
            " now() - interval '1 day', now() + interval '1 day', NULL, 'SOF-26-3', 'sof101')",
            *(uuid4(), borger_id, data.draw(st.sampled_from(["RSL_11A_2", "GDPR_SAMTYKKE"]))),
        )
    if data.draw(st.integers(0, 3)) == 0:
        await world.refuse(borger_id)
    async with world.database.read() as session:
        snapshot = await load_snapshot(session, [borger_id])
    asked = [question._replace(borger_id=borger_id) for question in ALL]
    now = datetime.now(UTC)
    expected = [decide(question, snapshot, now).permitted for question in asked]
    assert await decisions(door, {"evaluations": [_entities(question) for question in asked]}) == expected
    one = data.draw(st.sampled_from([*asked, *[q for q, yes in zip(asked, expected, strict=True) if yes]]))
    await _searches_agree(door, one, {q for q, yes in zip(asked, expected, strict=True) if yes})


async def _searches_agree(door: Door, one: Question, yes: set[Question]) -> None:
    entities = _entities(one)
    for token, unit in ((GATEWAY, None), (HOLDER, HOLDER_UNIT), (RECEIVER, RECIPIENT)):
        seen = [q for q in yes if Asker(unit).may_know(q)]
        who = {**entities, "subject": {"type": "unit"}}
        assert await search(door, "subject", who, token) == [
            subject(unit) for unit in sorted(q.recipient_unit for q in seen if q._replace(recipient_unit=one[2]) == one)
        ]
        assert await search(door, "action", entities, token) == [
            action(code) for code in sorted(q.purpose for q in seen if q._replace(purpose=one.purpose) == one)
        ]
        what = {**entities, "resource": {"type": "information", "properties": {"borger_id": str(one.borger_id)}}}
        listed = {item["id"] for item in await search(door, "resource", what, token)}
        same = [q for q in seen if (q.recipient_unit, q.purpose) == (one.recipient_unit, one.purpose)]
        assert listed == {f"{q.borger_id}/{q.holder_unit}/{q.category}" for q in same}
