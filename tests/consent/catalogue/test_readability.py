"""LIX: counted by hand on small texts, and what must hold for every text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consent.catalogue.readability import LIX_MAX, lix
from services.consent.catalogue_administration.lint import Rule, lint_newest
from tests.consent.world.examples import the_catalogue

WORDS = st.text(alphabet="abcdefghijæøå", min_size=1, max_size=12)
SENTENCES = st.lists(WORDS, min_size=1, max_size=8).map(lambda words: " ".join(words) + ".")
TEXTS = st.lists(SENTENCES, min_size=1, max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("", 0.0),
        ("  \n\n § - ", 0.0),
        ("Du må sige nej.", 4.0),
        ("Du må sige nej. Vi siger det igen.", 4.0),
        ("Samtykke", 101.0),  # one word, long; the paragraph ends the sentence
        ("Borger borgere", 52.0),  # six letters are short, seven are long
        ("Ring til os: i dag", 2.5),
        ("Skriv til data@kommune.example i dag", 25.0),  # an address is one long word and ends nothing
        ("Det er loven (§ 11 b). Ja.", 3.0),  # a bracket may stand after the end
        ("Ja\n\nNej", 1.0),
    ],
)
def test_it_is_counted_as_by_hand(text: str, index: float) -> None:
    assert lix(text) == index


@given(TEXTS)
def test_said_twice_it_is_as_easy_to_read(text: str) -> None:
    assert lix(f"{text}\n\n{text}") == lix(text)
    assert lix(f"{text} {text}") == lix(text)


@given(TEXTS, st.sampled_from(["  ", "\n", "\t"]))
def test_blanks_and_case_do_not_count(text: str, blank: str) -> None:
    assert lix(text.replace(" ", blank).upper()) == lix(text)


@given(SENTENCES)
def test_one_sentence_is_its_words_and_its_share_of_long_ones(sentence: str) -> None:
    words = sentence[:-1].split()
    share = 100 * sum(len(word) > 6 for word in words) / len(words)
    assert lix(sentence) == pytest.approx(len(words) + share, abs=0.06)


@given(TEXTS)
def test_a_longer_word_never_makes_it_easier_and_a_full_stop_never_harder(text: str) -> None:
    first, *rest = text.split(" ")
    assert lix(" ".join(["m" * 7 + first, *rest])) >= lix(text)
    assert lix(" ".join([first.rstrip(".") + ".", *rest])) <= lix(text)


def test_nothing_that_ships_is_hard_to_read() -> None:
    assert LIX_MAX == 35
    assert not [found for *_, found in lint_newest(the_catalogue()) if found.rule is Rule.HARD]
