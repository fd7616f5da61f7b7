"""What is answered is made of the attributes of a value."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from services.consent.http.shapes import Answer, Codes


class State(StrEnum):
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Stored:
    state: State
    codes: frozenset[str]
    kept_inside: str = "never shown"


class Shown(Answer):
    state: Literal["open", "closed"]
    codes: Codes
    note: str


def test_a_view_shows_the_attributes_of_its_names_and_what_it_is_given_beside_them():
    stored = Stored(State.OPEN, frozenset({"FREMMOEDE"}))
    shown = Shown.of(stored, note="n")
    assert shown.model_dump() == {"state": "open", "codes": ("FREMMOEDE",), "note": "n"}
    assert Shown.of(stored, note="n", state="closed").state == "closed"


def test_the_codes_of_a_set_are_shown_in_one_order():
    codes = [f"KODE_{number}" for number in range(10, 60)]
    assert list(Shown.of(Stored(State.OPEN, frozenset(codes)), note="").codes) == codes
