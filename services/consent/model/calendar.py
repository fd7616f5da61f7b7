"""Time as law counts it: Danish calendar dates, whole months, ages.

A birthday, a validity date and an age change at Danish midnight, wherever the machine stands.
"""

from calendar import isleap
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DENMARK = ZoneInfo("Europe/Copenhagen")
MONTHS_IN_YEAR = 12


@lru_cache(maxsize=256)  # one decision asks for the same moment's date a dozen times, a batch a thousand
def danish_date(moment: datetime) -> date:
    """The calendar date in Denmark at an aware moment."""
    return moment.astimezone(DENMARK).date()


def danish_midnight(day: date) -> datetime:
    """The aware moment at which `day` begins in Denmark."""
    return datetime.combine(day, time.min, tzinfo=DENMARK)


@lru_cache(maxsize=4_096)  # dates of birth: a person's age is asked for several times in one decision
def birthday(born: date, age: int) -> date:
    """The day a person reaches `age` years; someone born on 29 February reaches it on 1 March in a common year."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def born_for(day: date, age: int) -> tuple[date, ...]:
    """The birth dates of those who reach `age` years on `day`: one, on 1 March in a common year two, else none."""
    year = day.year - age
    dates = []
    if not (day.month == 2 and day.day == 29 and not isleap(year)):
        dates.append(day.replace(year=year))
    if (day.month, day.day) == (3, 1) and isleap(year) and not isleap(day.year):
        dates.append(date(year, 2, 29))
    return tuple(dates)


def days_between(since: datetime, until: datetime) -> tuple[date, ...]:
    """Every Danish calendar day that has begun by `until` and had not ended at `since`."""
    first, last = danish_date(since), danish_date(until)
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))


def age_on(born: date, day: date) -> int:
    """Whole years of age on `day`; negative never: a birth date in the future counts as 0."""
    years = day.year - born.year
    return max(0, years if birthday(born, years) <= day else years - 1)


def add_months(moment: datetime, months: int) -> datetime:
    """The same time of day `months` later, at the last day of the month when the day does not exist there."""
    index = moment.month - 1 + months
    year, month = moment.year + index // MONTHS_IN_YEAR, index % MONTHS_IN_YEAR + 1
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return moment.replace(year=year, month=month)
