"""The decision, example by example: for every yes the no beside it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.family import Custody
from services.consent.consents.consent import Status
from services.consent.decision.decide import Reason, decide, decide_all
from services.consent.decision.snapshot import CaseFact, OtherBasis, Question, Refusal, Snapshot
from services.consent.model.acting import Role
from tests.consent.world.examples import (
    CHILD,
    FATHER,
    MOTHER,
    NOW,
    PETER,
    QUESTION,
    a_consent,
    a_declaration,
    a_person,
    a_snapshot,
    the_catalogue,
)

DAY = timedelta(days=1)
LONG_AGO = NOW - 900 * DAY


def reason(snapshot: Snapshot, question: Question = QUESTION, now: datetime = NOW) -> Reason:
    return decide(question, snapshot, now).reason


def test_a_consent_that_names_exactly_the_question_is_a_yes_that_says_what_it_rests_on():
    answer = decide(QUESTION, a_snapshot(a_person()), NOW)
    assert answer.permitted
    assert (answer.reason, answer.rests_on, answer.legal_basis) == (
        Reason.CONSENT,
        a_consent().consent_id,
        "GDPR_SAMTYKKE",
    )
    assert answer.ends_at == a_consent().valid_until


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"holder_unit": "NOWHERE"}, Reason.UNKNOWN_UNIT),
        ({"recipient_unit": "NOWHERE"}, Reason.UNKNOWN_UNIT),
        ({"purpose": "KONTROL"}, Reason.UNKNOWN_PURPOSE),
        ({"category": "ETNICITET"}, Reason.UNKNOWN_CATEGORY),
        ({"recipient_unit": "BIF-CAB"}, Reason.NOT_OFFERED),
        ({"category": "RUSMIDDEL"}, Reason.NOT_OFFERED),  # held by SOF, asked of BIF
        ({"category": "KRISECENTER"}, Reason.NOT_OFFERED),
        ({"borger_id": CHILD}, Reason.UNKNOWN_PERSON),
        ({"category": "UDDANNELSE"}, Reason.NO_CONSENT),
        ({"holder_unit": "BIF-CAB"}, Reason.NO_CONSENT),
        ({"recipient_unit": "SOF-RUSMIDDEL"}, Reason.NO_CONSENT),
        ({"purpose": "FAELLES_PLAN", "category": "BESKAEFTIGELSESFORLOEB"}, Reason.NO_CONSENT),
    ],
)
def test_any_other_question_is_a_no(change: dict[str, str], expected: Reason):
    answer = decide(QUESTION._replace(**change), a_snapshot(a_person()), NOW)
    assert (answer.permitted, answer.reason, answer.rests_on) == (False, expected, None)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ACTIVE])
def test_only_an_active_consent_counts(status: Status):
    assert reason(a_snapshot(a_person(consents=(a_consent(status=status),)))) is Reason.NO_CONSENT


def test_nothing_is_told_about_the_dead_or_those_who_moved_out():
    assert reason(a_snapshot(a_person(died_on=date(2026, 11, 1)))) is Reason.DEAD
    assert reason(a_snapshot(a_person(moved_out_on=date(2026, 11, 22)))) is Reason.MOVED_OUT
    assert reason(a_snapshot(a_person(moved_out_on=date(2026, 11, 23)))) is Reason.CONSENT


def test_a_refusal_overrides_the_consent_until_it_is_lifted():
    refusal = Refusal(PETER, "KOORDINERING", "SOF-BCV", NOW - DAY, None)
    assert reason(a_snapshot(a_person(refusals=(refusal,)))) is Reason.REFUSED
    lifted = replace(refusal, lifted_at=NOW)
    assert reason(a_snapshot(a_person(refusals=(lifted,)))) is Reason.CONSENT
    elsewhere = replace(refusal, recipient_unit="SOF-RUSMIDDEL")
    assert reason(a_snapshot(a_person(refusals=(elsewhere,)))) is Reason.CONSENT


def basis(**changes: object) -> OtherBasis:
    made = OtherBasis(PETER, "BIF-YDELSE", "SOF-BCV", "FORSOERGELSE", "KOORDINERING", "RSL_11A_2", LONG_AGO, NOW + DAY)
    return replace(made, **changes)


OTHER = Question(PETER, "BIF-YDELSE", "SOF-BCV", "KOORDINERING", "FORSOERGELSE")


def test_another_basis_is_a_yes_that_is_not_called_consent():
    answer = decide(OTHER, a_snapshot(a_person(other_bases=(basis(),))), NOW)
    assert (answer.permitted, answer.reason, answer.rests_on, answer.legal_basis, answer.ends_at) == (
        True,
        Reason.OTHER_BASIS,
        None,
        "RSL_11A_2",
        NOW + DAY,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"category": "FREMMOEDE"},
        {"holder_unit": "BIF-CAB"},
        {"recipient_unit": "SOF-BCH"},
        {"purpose": "BOLIG_FOREBYGGELSE"},
        {"valid_until": NOW},
        {"valid_from": NOW + DAY},
        {"legal_basis": "GDPR_SAMTYKKE"},  # a basis that needs consent is none without it
        {"legal_basis": "HOI"},
    ],
)
def test_another_basis_for_anything_else_is_a_no(change: dict[str, object]):
    assert reason(a_snapshot(a_person(other_bases=(basis(**change),))), OTHER) is Reason.NO_CONSENT


def test_a_refusal_overrides_another_basis_too():
    refusal = Refusal(PETER, "KOORDINERING", "SOF-BCV", NOW - DAY, None)
    person = a_person(other_bases=(basis(),), refusals=(refusal,))
    assert reason(a_snapshot(person), OTHER) is Reason.REFUSED


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"valid_until": NOW}, Reason.EXPIRED),
        ({"valid_until": NOW + timedelta(microseconds=1)}, Reason.CONSENT),
        ({"valid_from": NOW + DAY}, Reason.NOT_YET_VALID),
        ({"valid_from": None}, Reason.NOT_YET_VALID),
        ({"given_at": None}, Reason.NOT_YET_VALID),
        ({"ceiling_until": NOW}, Reason.CEILING),
        # The stored ceiling allows it, today's law (12 months from when it was given) does not.
        ({"given_at": datetime(2025, 11, 22, 10, 0, tzinfo=UTC)}, Reason.CEILING),
        ({"given_at": datetime(2025, 11, 22, 10, 1, tzinfo=UTC)}, Reason.CONSENT),
        ({"legal_basis": "HOI"}, Reason.BASIS_NOT_IN_FORCE),
        ({"declarations": ()}, Reason.DECLARATION_MISSING),
        ({"declarations": (a_declaration(MOTHER),)}, Reason.DECLARATION_MISSING),
    ],
)
def test_limits_are_read_when_deciding(change: dict[str, object], expected: Reason):
    assert reason(a_snapshot(a_person(consents=(a_consent(**change),)))) is expected


def closing(catalogue: Catalogue, kind: str, code: str, **changes: object) -> Catalogue:
    versions = dict(getattr(catalogue, kind))
    versions[code] = tuple(replace(entry, **changes) for entry in versions[code])
    return replace(catalogue, **{kind: versions})


@pytest.mark.parametrize(
    ("kind", "code", "change", "expected"),
    [
        ("units", "SOF-BCV", {"valid_to": date(2026, 11, 22)}, Reason.UNKNOWN_UNIT),
        ("units", "BIF-JOBINDSATS", {"valid_to": date(2026, 11, 22)}, Reason.UNKNOWN_UNIT),
        ("units", "SOF-BCV", {"valid_to": date(2026, 11, 23)}, Reason.CONSENT),
        ("units", "SOF-BCV", {"valid_from": date(2026, 11, 23)}, Reason.UNKNOWN_UNIT),
        ("purposes", "KOORDINERING", {"valid_to": date(2026, 11, 1)}, Reason.UNKNOWN_PURPOSE),
        ("purposes", "KOORDINERING", {"between": ()}, Reason.NOT_OFFERED),
        ("categories", "FREMMOEDE", {"valid_to": date(2026, 11, 1)}, Reason.UNKNOWN_CATEGORY),
        ("categories", "FREMMOEDE", {"selectable": False}, Reason.NOT_SELECTABLE),
        ("categories", "FREMMOEDE", {"holders": ("SOF",)}, Reason.NOT_OFFERED),
        ("legal_bases", "GDPR_SAMTYKKE", {"valid_to": date(2026, 11, 1)}, Reason.BASIS_NOT_IN_FORCE),
        ("policies", "SAMTYKKE", {"valid_to": date(2026, 11, 1)}, Reason.NO_POLICY),
    ],
)
def test_what_has_ended_in_the_catalogue_ends_the_yes(
    kind: str, code: str, change: dict[str, object], expected: Reason
):
    catalogue = closing(the_catalogue(), kind, code, **change)
    assert reason(a_snapshot(a_person(), catalogue=catalogue)) is expected


def test_a_unit_that_is_to_close_ends_the_lease_at_danish_midnight():
    catalogue = closing(the_catalogue(), "units", "SOF-BCV", valid_to=date(2026, 12, 1))
    answer = decide(QUESTION, a_snapshot(a_person(), catalogue=catalogue), NOW)
    assert answer.ends_at == datetime(2026, 11, 30, 23, 0, tzinfo=UTC)


def test_a_closed_case_of_the_recipient_ends_the_yes_and_another_open_one_keeps_it():
    closed = CaseFact("SOF-BCV", LONG_AGO, NOW - DAY)
    assert reason(a_snapshot(a_person(cases=(closed,)))) is Reason.CASE_CLOSED
    still_open = CaseFact("SOF-BCV", LONG_AGO, None)
    assert reason(a_snapshot(a_person(cases=(closed, still_open)))) is Reason.CONSENT
    assert reason(a_snapshot(a_person(cases=(replace(closed, unit="SOF-BCH"),)))) is Reason.CONSENT
    assert reason(a_snapshot(a_person(cases=(replace(closed, closed_at=NOW + DAY),)))) is Reason.CONSENT


# Special categories, and the family

TREATMENT = Question(PETER, "SOF-RUSMIDDEL", "BIF-KANTEN", "KOORDINERING", "RUSMIDDEL")


def of_treatment(**changes: object):
    fields = {"holder_unit": "SOF-RUSMIDDEL", "recipient_unit": "BIF-KANTEN", "categories": frozenset({"RUSMIDDEL"})}
    return a_consent(**{**fields, **changes})


def test_a_special_category_needs_its_own_affirmation():
    affirmed = of_treatment(declarations=(a_declaration(affirmed=frozenset({"RUSMIDDEL"})),))
    assert reason(a_snapshot(a_person(consents=(affirmed,))), TREATMENT) is Reason.CONSENT
    other = of_treatment(declarations=(a_declaration(affirmed=frozenset({"HANDICAP"})),))
    assert reason(a_snapshot(a_person(consents=(other,))), TREATMENT) is Reason.NOT_AFFIRMED
    assert reason(a_snapshot(a_person(consents=(of_treatment(),))), TREATMENT) is Reason.NOT_AFFIRMED


CHILD_QUESTION = Question(CHILD, "SOF-BCH", "BIF-JOBINDSATS", "FAMILIEINDSATS", "BARN_SAG")
BOTH = (Custody(MOTHER, LONG_AGO, None), Custody(FATHER, LONG_AGO, None))
YES = frozenset({"BARN_SAG"})


def of_child(*givers, born: date = date(2019, 3, 3), custody=BOTH, **changes):
    declarations = tuple(a_declaration(giver, affirmed=YES, role=Role.CUSTODY_HOLDER) for giver in givers)
    consent = a_consent(
        borger_id=CHILD,
        purpose="FAMILIEINDSATS",
        holder_unit="SOF-BCH",
        recipient_unit="BIF-JOBINDSATS",
        categories=YES,
        declarations=declarations,
        **changes,
    )
    return a_person(borger_id=CHILD, birth_date=born, custody=custody, consents=(consent,))


def test_below_15_every_custody_holder_must_have_declared():
    assert reason(a_snapshot(of_child(MOTHER, FATHER)), CHILD_QUESTION) is Reason.CONSENT
    assert reason(a_snapshot(of_child(MOTHER)), CHILD_QUESTION) is Reason.DECLARATION_MISSING
    assert reason(a_snapshot(of_child(MOTHER, CHILD)), CHILD_QUESTION) is Reason.DECLARATION_MISSING
    assert reason(a_snapshot(of_child(MOTHER, custody=BOTH[:1])), CHILD_QUESTION) is Reason.CONSENT
    assert reason(a_snapshot(of_child(MOTHER, custody=())), CHILD_QUESTION) is Reason.DECLARATION_MISSING


def test_custody_counts_as_it_is_today():
    ended = (BOTH[0], Custody(FATHER, LONG_AGO, NOW))
    assert reason(a_snapshot(of_child(MOTHER, custody=ended)), CHILD_QUESTION) is Reason.CONSENT
    ending = (BOTH[0], Custody(FATHER, LONG_AGO, NOW + DAY))
    assert reason(a_snapshot(of_child(MOTHER, custody=ending)), CHILD_QUESTION) is Reason.DECLARATION_MISSING
    answer = decide(CHILD_QUESTION, a_snapshot(of_child(MOTHER, FATHER, custody=ending)), NOW)
    assert answer.ends_at == NOW + DAY


SIXTEEN, EIGHTEEN = date(2010, 11, 22), date(2008, 11, 22)


def test_at_15_the_young_person_declares_and_for_special_categories_the_custody_holders_too():
    assert reason(a_snapshot(of_child(CHILD, MOTHER, FATHER, born=SIXTEEN)), CHILD_QUESTION) is Reason.CONSENT
    for givers in ((CHILD,), (CHILD, MOTHER), (MOTHER, FATHER)):
        assert reason(a_snapshot(of_child(*givers, born=SIXTEEN)), CHILD_QUESTION) is Reason.DECLARATION_MISSING


def test_at_18_a_parents_declaration_has_lapsed():
    assert reason(a_snapshot(of_child(CHILD, born=EIGHTEEN)), CHILD_QUESTION) is Reason.CONSENT
    assert reason(a_snapshot(of_child(MOTHER, FATHER, born=EIGHTEEN)), CHILD_QUESTION) is Reason.DECLARATION_MISSING


def test_a_birthday_counts_from_danish_midnight():
    born = date(2008, 11, 23)  # 18 tomorrow
    person = of_child(CHILD, born=born)
    just_before = datetime(2026, 11, 22, 22, 59, 59, tzinfo=UTC)
    assert reason(a_snapshot(person), CHILD_QUESTION, just_before) is Reason.DECLARATION_MISSING
    assert reason(a_snapshot(person), CHILD_QUESTION, just_before + timedelta(seconds=1)) is Reason.CONSENT


def test_a_family_question_is_a_yes_only_when_it_is_one_for_each_person():
    mother = a_person(
        borger_id=MOTHER,
        consents=(
            a_consent(
                borger_id=MOTHER,
                purpose="FAMILIEINDSATS",
                holder_unit="SOF-BCH",
                recipient_unit="BIF-JOBINDSATS",
                categories=frozenset({"SAGSEKSISTENS"}),
                declarations=(a_declaration(MOTHER),),
                valid_until=NOW + DAY,
            ),
        ),
    )
    about_mother = Question(MOTHER, "SOF-BCH", "BIF-JOBINDSATS", "FAMILIEINDSATS", "SAGSEKSISTENS")
    questions = (CHILD_QUESTION, about_mother)
    answer = decide_all(questions, a_snapshot(of_child(MOTHER, FATHER), mother), NOW)
    assert (answer.permitted, answer.ends_at) == (True, NOW + DAY)
    for without in (
        a_snapshot(of_child(MOTHER, FATHER)),
        a_snapshot(mother),
        a_snapshot(of_child(MOTHER), mother),
    ):
        assert not decide_all(questions, without, NOW).permitted


def test_a_disclosure_that_reveals_nothing_about_anybody_is_not_a_yes():
    with pytest.raises(ValueError, match="no question"):
        decide_all([], a_snapshot(a_person()), NOW)


def test_an_empty_catalogue_means_no():
    assert reason(a_snapshot(a_person(), catalogue=Catalogue(revision=0))) is Reason.UNKNOWN_UNIT
