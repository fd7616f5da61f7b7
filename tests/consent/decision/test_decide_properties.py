"""The decision, for every world that can be drawn: what must hold whatever the rows say."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.consent.citizens.family import Custody, required_givers
from services.consent.consents.consent import Status
from services.consent.decision.decide import Reason, decide
from services.consent.decision.snapshot import CaseFact, OtherBasis, Person, Question, Refusal, Snapshot
from tests.consent.world.examples import FATHER, MOTHER, NOW, PETER, a_consent, a_declaration, the_catalogue

HOLDERS = st.sampled_from(["BIF-JOBINDSATS", "BIF-YDELSE", "SOF-RUSMIDDEL"])
RECIPIENTS = st.sampled_from(["SOF-BCV", "BIF-KANTEN", "SOF-BOLIGRAADGIVNING"])
PURPOSES = st.sampled_from(["KOORDINERING", "BEHANDLING_FASTHOLDELSE", "BOLIG_FOREBYGGELSE"])
CATEGORIES = st.sampled_from(["FREMMOEDE", "RUSMIDDEL", "FORSOERGELSE", "KRISECENTER"])
GIVERS = st.sampled_from([PETER, MOTHER, FATHER])
MOMENTS = st.integers(-800, 800).map(lambda days: NOW + timedelta(days=days))
SETS = st.frozensets(CATEGORIES, min_size=1)
IDS = st.uuids(version=4)

questions = st.builds(
    Question,
    borger_id=st.just(PETER),
    holder_unit=HOLDERS,
    recipient_unit=RECIPIENTS,
    purpose=PURPOSES,
    category=CATEGORIES,
)
declarations = st.lists(st.builds(a_declaration, GIVERS, affirmed=SETS), max_size=3, unique_by=lambda item: item.giver)


@st.composite
def consents(draw: st.DrawFn):
    given_at = draw(st.none() | MOMENTS)
    return a_consent(
        consent_id=draw(IDS),
        purpose=draw(PURPOSES),
        holder_unit=draw(HOLDERS),
        recipient_unit=draw(RECIPIENTS),
        categories=draw(SETS),
        status=draw(st.sampled_from([Status.ACTIVE] * 4 + list(Status))),
        given_at=given_at,
        valid_from=given_at,
        valid_until=draw(MOMENTS),
        ceiling_until=draw(MOMENTS),
        declarations=tuple(draw(declarations)),
    )


refusals = st.builds(
    Refusal,
    refusal_id=IDS,
    purpose=PURPOSES,
    recipient_unit=RECIPIENTS,
    recorded_at=MOMENTS,
    lifted_at=st.none() | MOMENTS,
)
bases = st.builds(
    OtherBasis,
    basis_id=IDS,
    holder_unit=HOLDERS,
    recipient_unit=RECIPIENTS,
    category=CATEGORIES,
    purpose=PURPOSES,
    legal_basis=st.sampled_from(["RSL_11A_2", "GDPR_SAMTYKKE"]),
    valid_from=MOMENTS,
    valid_until=MOMENTS,
)
cases = st.builds(CaseFact, unit=RECIPIENTS, opened_at=MOMENTS, closed_at=st.none() | MOMENTS)
custodies = st.builds(Custody, holder=GIVERS, valid_from=MOMENTS, valid_to=st.none() | MOMENTS)
persons = st.builds(
    Person,
    borger_id=st.just(PETER),
    birth_date=st.sampled_from([date(1880, 5, 17), date(2009, 6, 6), date(2019, 6, 6)]),
    died_on=st.sampled_from([None] * 7 + [date(2025, 1, 1)]),
    moved_out_on=st.sampled_from([None] * 7 + [date(2026, 12, 24)]),
    custody=st.lists(custodies, max_size=2).map(tuple),
    consents=st.lists(consents(), max_size=4).map(tuple),
    refusals=st.lists(refusals, max_size=1).map(tuple),
    other_bases=st.lists(bases, max_size=1).map(tuple),
    cases=st.lists(cases, max_size=1).map(tuple),
)


OFFERED = st.sampled_from(
    [
        ("BIF-JOBINDSATS", "SOF-BCV", "KOORDINERING", "FREMMOEDE"),
        ("SOF-RUSMIDDEL", "BIF-KANTEN", "KOORDINERING", "RUSMIDDEL"),
        ("SOF-RUSMIDDEL", "BIF-KANTEN", "BEHANDLING_FASTHOLDELSE", "FREMMOEDE"),
        ("BIF-YDELSE", "SOF-BOLIGRAADGIVNING", "BOLIG_FOREBYGGELSE", "FORSOERGELSE"),
    ]
).map(lambda codes: Question(PETER, *codes))


@st.composite
def likely_yes(draw: st.DrawFn) -> tuple[Question, Person]:
    """A world in which the question has a good chance of a yes, so that the properties below are not about nothing."""
    question = draw(OFFERED)
    person = draw(persons)
    given_at = NOW - timedelta(days=draw(st.integers(0, 300)))
    consent = a_consent(
        consent_id=draw(IDS),
        purpose=question.purpose,
        holder_unit=question.holder_unit,
        recipient_unit=question.recipient_unit,
        categories=frozenset({question.category}),
        given_at=given_at,
        valid_from=given_at,
        valid_until=NOW + timedelta(days=draw(st.integers(1, 300))),
        ceiling_until=NOW + timedelta(days=draw(st.integers(1, 300))),
        declarations=tuple(
            a_declaration(giver, affirmed=frozenset({question.category})) for giver in (PETER, MOTHER, FATHER)
        ),
    )
    return question, replace(person, consents=(*person.consents, consent), refusals=(), died_on=None)


@st.composite
def near_misses(draw: st.DrawFn) -> tuple[Question, Person]:
    """One consent that would be a yes, but for one thing: it names something else, or it does not hold."""
    question, person = draw(likely_yes())
    right = person.consents[-1]
    others = st.sampled_from(["BIF-CAB", "SOF-BCH", "BIF-UNGE", "KONTAKT", "UDDANNELSE", "PLANER"])
    wrong = draw(
        st.one_of(
            *(
                others.map(lambda code, name=name: {name: code})
                for name in ("holder_unit", "recipient_unit", "purpose")
            ),
            st.frozensets(others, min_size=1).map(lambda codes: {"categories": codes}),
            st.sampled_from([status for status in Status if status is not Status.ACTIVE]).map(lambda s: {"status": s}),
            st.just({"declarations": ()}),
            st.just({"valid_until": NOW}),
            st.just({"ceiling_until": NOW}),
            st.just({"given_at": None}),
            st.just({"borger_id": MOTHER}),
        )
    )
    return question, replace(person, consents=(replace(right, **wrong),), other_bases=())


worlds = st.one_of(st.tuples(questions, persons), likely_yes())


def answer(question: Question, person: Person, now: datetime = NOW):
    return decide(question, Snapshot(the_catalogue(), {person.borger_id: person}), now)


def rests_on(person: Person, consent_id: UUID | None):
    return next(item for item in person.consents if item.consent_id == consent_id)


@settings(max_examples=250)
@given(worlds)
def test_never_yes_without_a_consent_that_names_exactly_the_question_and_holds_now(world):
    question, person = world
    decision = answer(question, person)
    if decision.reason is not Reason.CONSENT:
        return
    consent = rests_on(person, decision.rests_on)
    assert consent.status is Status.ACTIVE
    assert (consent.borger_id, consent.holder_unit, consent.recipient_unit, consent.purpose) == (
        question.borger_id,
        question.holder_unit,
        question.recipient_unit,
        question.purpose,
    )
    assert question.category in consent.categories
    assert question.category != "KRISECENTER"
    assert consent.given_at is not None
    assert consent.given_at <= NOW < min(consent.valid_until, consent.ceiling_until)
    assert NOW - consent.given_at <= timedelta(days=366)
    policy = the_catalogue().policy(NOW)
    assert policy is not None
    special = "RUSMIDDEL" in consent.categories or "KRISECENTER" in consent.categories
    required = required_givers(PETER, person.birth_date, person.custody, special=special, policy=policy, now=NOW)
    assert required
    assert required <= {item.giver for item in consent.declarations}


@settings(max_examples=250)
@given(near_misses())
def test_a_consent_that_is_right_but_for_one_thing_is_a_no(world):
    assert not answer(*world).permitted


@settings(max_examples=150)
@given(worlds, refusals)
def test_one_refusal_more_never_turns_a_no_into_a_yes(world, refusal: Refusal):
    question, person = world
    refused = replace(person, refusals=(*person.refusals, refusal))
    assert answer(question, person).permitted or not answer(question, refused).permitted


@given(worlds)
def test_a_standing_refusal_of_the_scope_is_always_a_no(world):
    question, person = world
    refusal = Refusal(PETER, question.purpose, question.recipient_unit, NOW, None)
    assert not answer(question, replace(person, refusals=(refusal,))).permitted


@settings(max_examples=150)
@given(worlds, st.data())
def test_taking_something_away_from_what_permits_never_turns_a_no_into_a_yes(world, data: st.DataObject):
    question, person = world
    kept = data.draw(st.lists(st.sampled_from(person.consents), unique=True)) if person.consents else []
    fewer = tuple(replace(item, declarations=item.declarations[:-1]) for item in kept)
    less = replace(person, consents=fewer, other_bases=())
    assert answer(question, person).permitted or not answer(question, less).permitted


@settings(max_examples=150)
@given(worlds, st.integers(0, 400 * 24 * 3600))
def test_time_alone_ends_a_yes_no_earlier_than_it_said(world, seconds: int):
    question, person = world
    later = NOW + timedelta(seconds=seconds)
    decision = answer(question, person)
    moved = person.moved_out_on is not None or any(case.closed_at for case in person.cases)
    if decision.permitted and not moved and (decision.ends_at is None or later < decision.ends_at):
        assert answer(question, person, later).permitted


@settings(max_examples=150)
@given(likely_yes())
def test_at_its_end_a_consent_alone_is_a_no(world):
    question, person = world
    decision = answer(question, person)
    if decision.reason is Reason.CONSENT:
        consent = rests_on(person, decision.rests_on)
        alone = replace(person, consents=(consent,), other_bases=())
        for end in (consent.valid_until, consent.ceiling_until):
            assert not answer(question, alone, end).permitted


def test_the_drawn_worlds_contain_yeses():
    """Or the properties above would hold of nothing."""
    found = []

    @settings(max_examples=200, database=None)
    @given(likely_yes())
    def count(world):
        found.append(answer(*world).permitted)

    count()
    assert sum(found) > 50
