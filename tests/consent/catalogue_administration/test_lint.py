"""The linter: what ships passes; each thing that may not be said, and each that is left out, is refused by its rule."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consent.catalogue.entries import Catalogue, Offer, Purpose, Text
from services.consent.catalogue_administration.lint import Rule, lint, lint_newest
from services.consent.model.bilingual import Bilingual
from tests.consent.world.examples import the_catalogue

CATALOGUE = the_catalogue()


def text(code: str = "KOORDINERING") -> Text:
    return CATALOGUE.texts[code][-1]


def purpose(code: str = "KOORDINERING", **changes: Any) -> Purpose:
    return replace(CATALOGUE.purposes[code][-1], **changes)


def said(section: str, words: str, *, language: str = "da", code: str = "KOORDINERING") -> Text:
    """A shipped text with one section in other words."""
    sections = replace(getattr(text(code), language), **{section: words})
    return replace(text(code), **{language: sections})


def added(section: str, words: str, *, language: str = "da", code: str = "KOORDINERING") -> Text:
    return said(section, f"{getattr(getattr(text(code), language), section)} {words}", language=language, code=code)


def rules(entry: Any, catalogue: Catalogue = CATALOGUE) -> set[tuple[str, str]]:
    return {(finding.rule, finding.field) for finding in lint(entry, catalogue)}


def test_everything_that_ships_passes() -> None:
    assert list(lint_newest(CATALOGUE)) == []


BLANKET = [
    ("da", "Vi deler alle oplysninger om dig."),
    ("da", "Vi deler alle de nødvendige oplysninger."),
    ("da", "Vi deler relevante oplysninger."),
    ("da", "Vi deler nødvendige helbredsmæssige oplysninger."),
    ("da", "Vi deler enhver oplysning."),
    ("da", "Vi deler alt, hvad vi ved."),
    ("da", "Vi deler hele din sag."),
    ("da", "Vi deler plan, fravær osv."),
    ("da", "Vi deler plan m.v. med dem."),
    ("en", "We share all information about you."),
    ("en", "We share any relevant data."),
    ("en", "We share relevant information."),
    ("en", "We share your whole case."),
    ("en", "We share plans, attendance and so on."),
]
RECIPIENTS = [
    ("da", "Vi fortæller det til alle enheder."),
    ("da", "Vi fortæller det til andre myndigheder."),
    ("da", "Vi fortæller det til vores samarbejdspartnere."),
    ("da", "Hele kommunen må se det."),
    ("en", "We tell all units."),
    ("en", "We tell other authorities."),
    ("en", "We tell our partners."),
    ("en", "Anyone may see it."),
]


@pytest.mark.parametrize(("language", "words"), BLANKET)
def test_a_blanket_consent_is_refused(language: str, words: str) -> None:
    assert (Rule.BLANKET, f"{language}.what") in rules(added("what", words, language=language))


def test_kinds_that_are_named_are_no_blanket() -> None:
    assert rules(added("what", "Vi deler disse relevante oplysninger: din plan og dit fravær.")) == set()


@pytest.mark.parametrize(("language", "words"), RECIPIENTS)
def test_recipients_without_a_name_are_refused(language: str, words: str) -> None:
    assert (Rule.RECIPIENTS, f"{language}.who") in rules(added("who", words, language=language))


LEFT_OUT = [
    ("who", "Vi spørger dig. Du vælger, hvem der må fortælle, og hvem der må få det at vide.", 1),  # controller
    ("who", "Københavns Kommune spørger dig. Du vælger, hvem der må få det at vide.", 1),  # holder
    ("who", "Københavns Kommune spørger dig. Du vælger, hvem der må fortælle noget.", 1),  # recipient
    ("what", "Vi fortæller, at der er sket noget.", 1),
    ("why", "Det er til din hjælp.", 1),
    ("how_long", "Det gælder, til du siger stop.", 1),
    ("withdraw", "Ring til os.", 5),  # how, at any time, complaint, duty to notify, address
]


@pytest.mark.parametrize(("section", "words", "missing"), LEFT_OUT)
def test_what_article_13_asks_for_is_not_left_out(section: str, words: str, missing: int) -> None:
    found = [finding for finding in lint(said(section, words), CATALOGUE) if finding.rule is Rule.MISSING]
    assert [finding.field for finding in found] == [f"da.{section}"] * missing
    assert all("GDPR art." in finding.reason or "R2" in finding.reason or "R31" in finding.reason for finding in found)


@pytest.mark.parametrize("language", ["da", "en"])
@pytest.mark.parametrize("section", ["who", "what", "why", "how_long", "withdraw"])
def test_an_empty_section_is_always_refused(language: str, section: str) -> None:
    assert (Rule.MISSING, f"{language}.{section}") in rules(said(section, "", language=language))


def test_a_period_beyond_the_ceiling_is_refused() -> None:
    assert (Rule.PERIOD, "da.how_long") in rules(said("how_long", "Dit ja gælder i 24 måneder."))
    assert rules(said("how_long", "Dit ja gælder i 6 måneder.")) == set()


LONG = {
    "da": [
        *("3 år", "36 måneder", "36\xa0måneder", "36\u202fmåneder", "tre år"),
        *("seksogtredive måneder", "36-måneder", "36 må\xadneder", "36 \u200bmåneder", "3\u200bår"),
        *("halvandet år", "1,5 år", "1½ år", "100 uger", "700 dage", "et par år", "TRE ÅR"),
        *("36\n måneder", "３ år", "13 mdr.", "24 hele måneder", "3 kalenderår", "for altid"),
        *("indtil videre", "uden tidsgr\xe6nse"),
    ],
    "en": [
        *("3 years", "36 months", "36\xa0months", "three years", "thirty-six months", "3-year"),
        *("a couple of years", "100 weeks", "700 days", "until further notice", "indefinitely"),
        *("13\u200bmonths",),
    ],
}
SHORT = {
    "da": [
        *("12 måneder", "et år", "ét år", "tolv måneder", "et halvt år", "½ år", "6 måneder"),
        *("til du fylder 18 år", "52 uger", "til dit barn er 18 år gammelt", "30 dage"),
    ],
    "en": [
        *("12 months", "a year", "one year", "six months", "until your child is 18 years old"),
        *("until it turns 18 years",),
    ],
}


@pytest.mark.parametrize(("language", "period"), [(one, period) for one in LONG for period in LONG[one]], ids=ascii)
def test_a_period_beyond_the_ceiling_is_refused_however_it_is_written(language: str, period: str) -> None:
    words = {"da": f"Dit ja gælder til en dato, i {period}.", "en": f"Your yes holds to a date, for {period}."}[
        language
    ]
    assert (Rule.PERIOD, f"{language}.how_long") in rules(said("how_long", words, language=language))


@pytest.mark.parametrize(("language", "period"), [(one, period) for one in SHORT for period in SHORT[one]], ids=ascii)
def test_a_period_within_it_and_an_age_are_not(language: str, period: str) -> None:
    words = {"da": f"Dit ja gælder til en dato, i {period}.", "en": f"Your yes holds to a date, for {period}."}[
        language
    ]
    assert (Rule.PERIOD, f"{language}.how_long") not in rules(said("how_long", words, language=language))


BETWEEN = [
    "\u00a0",
    "\u202f",
    "  ",
    "\t",
    "\n",
    "\u00ad",
    "\u200b",
    "\u2060",
    "\ufeff",
    ", ",
    "-",
    " - ",
    "\u2011",
    "–",
    " \u200b ",
    "/",
]


@pytest.mark.parametrize("between", BETWEEN, ids=ascii)
@pytest.mark.parametrize(("language", "words"), [("da", "alle{}oplysninger"), ("en", "all{}information")])
def test_nothing_between_two_words_hides_them(language: str, words: str, between: str) -> None:
    for one in (words, words.upper()):
        label = {"da": "Din plan", "en": "Your plan"} | {language: one.format(between)}
        category = replace(CATALOGUE.categories["SAGSEKSISTENS"][-1], label=Bilingual(**label))
        assert (Rule.BLANKET, f"label.{language}") in rules(category)


@given(st.lists(st.sampled_from("\u00ad\u200b\u200c\u200d\u2060\ufeff"), min_size=1, max_size=6), st.data())
def test_nothing_inside_a_word_hides_it(hidden: list[str], data: st.DataObject) -> None:
    words = "alle oplysninger"
    for character in hidden:
        place = data.draw(st.integers(0, len(words)))
        words = words[:place] + character + words[place:]
    category = replace(CATALOGUE.categories["SAGSEKSISTENS"][-1], label=Bilingual(words, "Your plan"))
    assert (Rule.BLANKET, "label.da") in rules(category)


def test_a_comma_still_parts_two_clauses() -> None:
    label = Bilingual("Vi taler med alle, giver dig oplysninger", "Your plan")
    category = replace(CATALOGUE.categories["SAGSEKSISTENS"][-1], label=label)
    assert (Rule.BLANKET, "label.da") not in rules(category)


@pytest.mark.parametrize("words", ["Det står i retssikkerhedsloven § 11 b.", "Det får ingen betydning for din ydelse."])
def test_the_sections_never_say_what_a_no_means(words: str) -> None:
    assert (Rule.WRONG_CONSEQUENCE, "da") in rules(added("why", words))


@pytest.mark.parametrize(
    ("law", "other", "missing"), [("GDPR_SAMTYKKE", "RSL_11A", True), ("RSL_11A", "GDPR_SAMTYKKE", True)]
)
def test_a_basis_says_its_own_consequence_and_never_anothers(law: str, other: str, missing: bool) -> None:
    taken = replace(CATALOGUE.legal_bases[law][-1], consequence=CATALOGUE.legal_bases[other][-1].consequence)
    found = rules(taken)
    assert (Rule.WRONG_CONSEQUENCE, "consequence.da") in found
    assert ((Rule.CONSEQUENCE, "consequence.da") in found) is missing


def test_sanctions_stand_alone_in_a_purpose() -> None:
    bundled = purpose(categories=("FREMMOEDE", "RAADIGHED_SANKTION"))
    assert {(Rule.SANCTIONS, "standalone"), (Rule.SANCTIONS, "categories")} <= rules(bundled)
    assert (Rule.SANCTIONS, "standalone") in rules(purpose("RAADIGHEDSVURDERING", standalone=False))
    shared = purpose("SANKTION_STOETTE", text="KOORDINERING")
    assert (Rule.SANCTIONS, "text") in rules(shared)
    assert rules(purpose("SANKTION_STOETTE")) == set()


def test_sanctions_stand_alone_in_a_text_which_names_the_risk() -> None:
    assert (Rule.SANCTIONS, "da") in rules(added("why", "Du kan få en sanktion."))
    assert (Rule.SANCTIONS, "en") in rules(added("why", "You can get a sanction.", language="en"))
    mild = said("why", "Vi bruger det til at se på din situation.", code="RAADIGHEDSVURDERING")
    assert (Rule.SANCTION_RISK, "da") in rules(mild)


@pytest.mark.parametrize("words", ["At føre kontrol med dig", "At lave statistik", "At gøre andet"])
def test_some_things_are_never_a_purpose(words: str) -> None:
    asked = purpose(label=Bilingual(words, "To help you"))
    assert (Rule.FORBIDDEN_PURPOSE, "label.da") in rules(asked)


def test_a_refuge_is_revealed_by_no_purpose() -> None:
    offer = Offer("BIF-FREMSKUDT-KRISECENTER", "SOF-BCV")
    assert (Rule.REFUGE, "between") in rules(purpose(between=(offer,)))


def test_what_is_hard_to_read_is_refused() -> None:
    hard = "Vi bruger personoplysninger vedrørende forsørgelsesgrundlag til koordinering af beskæftigelsesindsatsen."
    assert (Rule.HARD, "da") in rules(said("why", " ".join([hard] * 8)))
    label = Bilingual("Koordinering vedrørende beskæftigelsesrettede foranstaltninger", "To help you")
    assert (Rule.HARD, "label.da") in rules(purpose(label=label))


FORBIDDEN = st.sampled_from([words for language, words in (*BLANKET, *RECIPIENTS) if language == "da"])
HARMLESS = st.text(alphabet="abdeghijkln ", max_size=40)


@given(FORBIDDEN, HARMLESS, HARMLESS, st.sampled_from(["who", "what", "why", "how_long", "withdraw"]), st.booleans())
def test_what_is_refused_is_refused_wherever_it_stands(
    words: str, before: str, after: str, section: str, shout: bool
) -> None:
    said_so = f"{before}. {words.upper() if shout else words} {after}"
    found = {finding.rule for finding in lint(added(section, said_so), CATALOGUE)}
    assert found & {Rule.BLANKET, Rule.RECIPIENTS}


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_words_are_read_without_an_error(da: str, en: str) -> None:
    lint(replace(purpose(), label=Bilingual(da, en)), CATALOGUE)
    lint(said("why", da), CATALOGUE)
