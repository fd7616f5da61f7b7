"""Made-up people: CPR numbers that can be nobody's (replacement days of the 1800s and of the present), and ids.

The numbers are computed, so that none stands in the tree.
"""

from datetime import date
from itertools import count

_serials = count(1)


def number(born: date) -> str:
    """A replacement number (day + 60) of somebody born then; 1858–1899 for adults, 2000–2057 for children."""
    first = 5 if born.year < 1900 or born.year >= 2000 else 0
    assert born.year not in range(1900, 1999), "use 1858-1899 or 2000-2057"
    serial = first * 1000 + next(_serials) % 1000
    return f"{born.day + 60:02}{born.month:02}{born.year % 100:02}{serial:04}"


def adult() -> str:
    """Somebody born in 1880, an adult whatever the year."""
    return number(date(1880, 5, 17))
