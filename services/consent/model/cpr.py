"""Civil registration numbers, at the edge only (R28, R29).

1. Ten digits DDMMYY-SSSS; the hyphen may be left out. The date must exist in the century that the seventh digit gives.
2. No modulus 11: numbers without it have been issued since 2007 and must be served.
3. A replacement number has 6 added to the first digit of the day; it is as good as any other here.
4. A `Cpr` never shows its digits when printed; whoever needs them asks for `digits`, and only the vault does.
"""

import re
from dataclasses import dataclass, field
from datetime import date

from services.consent.model.errors import CprError

_FORM = re.compile(r"(\d{2})(\d{2})(\d{2})-?(\d{4})", re.ASCII)
_REPLACEMENT_DAYS = 60


@dataclass(frozen=True, slots=True)
class Cpr:
    """A well-formed number. `digits`: ten, without a hyphen."""

    digits: str = field(repr=False)
    birth_date: date = field(repr=False)
    replacement: bool


def parse(text: str) -> Cpr:
    """The number in `text`. Raises CprError, whose message holds nothing of the text."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise CprError("must be ten digits, DDMMYY-SSSS", field="cpr")
    day, month, year, serial = match.groups()
    replacement = int(day) > _REPLACEMENT_DAYS
    day_of_month = int(day) - (_REPLACEMENT_DAYS if replacement else 0)
    try:
        born = date(century(int(serial[0]), int(year)) + int(year), int(month), day_of_month)
    except ValueError:
        raise CprError("does not begin with a date that exists", field="cpr") from None
    return Cpr(digits="".join(match.groups()), birth_date=born, replacement=replacement)


def born_by(number: Cpr, today: date) -> Cpr:
    """The number, of somebody born by `today`. Raises CprError for a day that lies ahead.

    A wrong seventh digit would otherwise make an adult a child for ever: the register's table reaches to 2057.
    """
    if number.birth_date > today:
        raise CprError("begins with a date that lies ahead", field="cpr")
    return number


def century(seventh_digit: int, year: int) -> int:
    """1800, 1900 or 2000, from the seventh digit and the two digits of the year (cpr.dk's table)."""
    if seventh_digit <= 3:
        return 1900
    if seventh_digit in {4, 9}:
        return 2000 if year <= 36 else 1900
    return 2000 if year <= 57 else 1800
