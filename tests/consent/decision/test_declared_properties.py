"""A permit is never granted that lacks a declaration required that day, in any world that can be drawn.

The oracle says anew, in its own words, whose yes is needed (R11); it shares no code with the decision.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from services.consent.citizens.authority import Authority, AuthorityKind, AuthorityStatus
from services.consent.citizens.family import Custody
from services.consent.decision.snapshot import Coverage, Person, ScopeState, Snapshot
from services.consent.fence.permitting import Asked, Revealed, judge
from tests.consent.world.examples import FATHER, MOTHER, NOW, PETER, a_consent, a_declaration, the_catalogue

ANNA, BENT = UUID(int=77), UUID(int=78)
TODAY = NOW.astimezone(ZoneInfo("Europe/Copenhagen")).date()
SPECIAL = ("sof.rusmiddel.opstartet", "SOF-RUSMIDDEL", "BIF-KANTEN", "BEHANDLING_FASTHOLDELSE", "RUSMIDDEL")
ORDINARY = ("bif.forloeb.udeblevet", "BIF-JOBINDSATS", "SOF-BCV", "KOORDINERING", "FREMMOEDE")
OTHER_PURPOSE = frozenset({"BOLIG_FOREBYGGELSE"})

births = st.one_of(
    *(
        st.integers(-2, 2).map(lambda number, age=age: date(TODAY.year - age, 11, 22) + timedelta(days=number))
        for age in (10, 15, 18, 40, 40, 40)
    ),
    st.just(date(2012, 2, 29)),
)
moments = st.integers(-3, 3).map(lambda number: NOW + timedelta(days=number))
custodies = st.builds(
    Custody,
    holder=st.sampled_from([MOTHER, FATHER]),
    valid_from=moments,
    valid_to=st.none() | moments,
)


@st.composite
def authorities(draw: st.DrawFn, purpose: str) -> Authority:
    kind = draw(st.sampled_from(list(AuthorityKind)))
    return Authority(
        authority_id=UUID(int=draw(st.integers(500, 503))),
        borger_id=PETER,
        representative=draw(st.sampled_from([ANNA, BENT])),
        kind=kind,
        replaces=kind is AuthorityKind.GUARDIAN and draw(st.booleans()),
        purposes=draw(st.sampled_from([None, frozenset({purpose}), OTHER_PURPOSE])),
        valid_from=draw(st.sampled_from([TODAY - timedelta(days=9), TODAY, TODAY + timedelta(days=1)])),
        valid_to=draw(st.sampled_from([None, None, TODAY, TODAY + timedelta(days=1)])),
        evidence="SOF-26-1",
        recorded_by="sof101",
        recorded_unit="SOF-BCV",
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        status=draw(st.sampled_from([AuthorityStatus.ACTIVE] * 9 + list(AuthorityStatus))),
    )


@dataclass(frozen=True)
class Drawn:
    person: Person
    asked: Asked
    special: bool


@st.composite
def worlds(draw: st.DrawFn) -> Drawn:
    special = draw(st.booleans())
    event, holder, recipient, purpose, category = SPECIAL if special else ORDINARY
    held = draw(st.lists(authorities(purpose), min_size=1, max_size=2, unique_by=lambda item: item.representative))
    givers = draw(
        st.lists(st.sampled_from([PETER, MOTHER, FATHER, ANNA, ANNA, BENT]), min_size=1, max_size=3, unique=True)
    )
    said = []
    for giver in givers:
        under = None
        if giver in {ANNA, BENT}:
            known = [item.authority_id for item in held if item.representative == giver]
            under = draw(st.sampled_from([*known * 3, UUID(int=500), UUID(int=999)]))
        affirmed = draw(st.sampled_from([frozenset({category})] * 5 + [frozenset()]))
        said.append(a_declaration(giver, affirmed=affirmed, authority_id=under))
    names = {"purpose": purpose, "holder_unit": holder, "recipient_unit": recipient}
    consent = a_consent(**names, categories=frozenset({category}), declarations=tuple(said))
    person = Person(
        borger_id=PETER,
        birth_date=draw(births),
        custody=tuple(draw(st.lists(custodies, max_size=3))),
        authorities=tuple(held),
        consents=(consent,),
        scopes={(purpose, recipient): ScopeState(9, {(holder, category): Coverage(1, NOW)})},
    )
    return Drawn(person, Asked(event, holder, recipient, purpose, (Revealed(PETER, category, 5),)), special)


def permitted(world: Drawn) -> bool:
    snapshot = Snapshot(the_catalogue(), {PETER: world.person})
    return judge(world.asked, snapshot, NOW).refusal is None


def age(born: date) -> int:
    """Whole years today: had the birthday this year or not; 29 February counts as reached on 1 March."""
    had = (TODAY.month, TODAY.day) >= (born.month, born.day)
    return TODAY.year - born.year - (0 if had else 1)


def in_force(item: Authority, purpose: str) -> bool:
    running = item.valid_from <= TODAY and (item.valid_to is None or item.valid_to > TODAY)
    return item.status == "active" and running and (item.purposes is None or purpose in item.purposes)


def enough(world: Drawn) -> bool:
    """The oracle: whose yes is needed today, and is it there?"""
    person, purpose = world.person, world.asked.purpose
    [consent] = person.consents
    said = {
        (item.giver, item.authority_id) for item in consent.declarations if item.affirmed_special or not world.special
    }
    years = age(person.birth_date)
    holders = {
        item.holder for item in person.custody if item.valid_from <= NOW and (not item.valid_to or item.valid_to > NOW)
    }
    parents = all((holder, None) in said for holder in holders)
    own = (PETER, None) in said
    if years >= 18:
        able = [item for item in person.authorities if in_force(item, purpose)]
        spoken = any((item.representative, item.authority_id) in said for item in able)
        return spoken or (own and not any(item.replaces for item in able))
    if years >= 15:
        return own and (not world.special or (bool(holders) and parents))
    return bool(holders) and parents


@settings(max_examples=250)
@given(worlds())
def test_a_permit_is_granted_exactly_when_every_declaration_required_that_day_is_there(world: Drawn):
    assert permitted(world) == enough(world)


@settings(max_examples=120)
@given(worlds(), st.data())
def test_taking_one_declaration_or_authority_away_from_a_no_makes_no_yes(world: Drawn, data: st.DataObject):
    [consent] = world.person.consents
    said = consent.declarations
    one = data.draw(st.sampled_from(said))
    less = replace(consent, declarations=tuple(item for item in said if item is not one))
    fewer = replace(world, person=replace(world.person, consents=(less,)))
    assert permitted(world) or not permitted(fewer)
    representatives = tuple(item for item in world.person.authorities if item.replaces)
    without = replace(world, person=replace(world.person, authorities=representatives))
    assert permitted(world) or not permitted(without)


def test_the_drawn_worlds_contain_yeses_and_noes_of_every_kind():
    """Or the properties above would hold of nothing."""
    found: dict[tuple[str, bool], int] = {}

    @settings(max_examples=1_200, database=None, derandomize=True)
    @given(worlds())
    def count(world: Drawn) -> None:
        years = age(world.person.birth_date)
        kind = "child" if years < 15 else "young" if years < 18 else "adult"
        if kind == "adult" and any(item.authority_id for item in world.person.consents[0].declarations):
            kind = "represented"
        key = (kind, permitted(world))
        found[key] = found.get(key, 0) + 1

    count()
    kinds = ("child", "young", "adult", "represented")
    assert all(found.get((kind, answer), 0) >= 5 for kind in kinds for answer in (True, False)), found
