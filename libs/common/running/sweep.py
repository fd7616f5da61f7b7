"""One mechanism for what is done again and again over many items: each item on its own, none in another's way.

1. An item that fails ends neither the round nor the turn of those behind it. It rests, longer each time it fails, and
   is asked for again afterwards; the query leaves out who is resting, so that failing items never fill a batch.
2. Three failures running of one item, or three rounds running that end in an error, are an alarm (`sweep_failing`).
3. A database that is away ends the round after OUTAGES_MAX items: nothing is wrong with the rest.
4. A list that is shown is made of the rows that can be read (`readable`): one that cannot be is left out, counted and
   reported. A decision is no list: a refusal that cannot be read must not be taken for none, so there the row fails.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NoReturn, Self, TypeVar

from libs.common.database.database import is_away
from libs.common.observing.log import get_logger
from libs.common.observing.metrics import SWEEP_ITEMS_FAILED, SWEEPS_FAILED, UNREADABLE_ROWS
from libs.common.running.alarms import AlarmCode, raise_alarm_later
from libs.common.wire.values import is_readable

FAILURES_MAX: Final = 3  # running, then it is an alarm
OUTAGES_MAX: Final = 3  # running, of one round
RESTING_MAX: Final = 10_000  # items remembered; beyond, the one that rests shortest is asked for again

_log = get_logger()
_Key = TypeVar("_Key", bound=Hashable)
_Item = TypeVar("_Item")
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class _Failed:
    failures: int
    rests_until: float


@dataclass
class Sweep(Generic[_Key]):
    """One sweep and the items that it could not finish, by key. Lives as long as its process; no row remembers it.

    `rest_s`: how long an item rests after its first failure; each further one doubles it, up to `rest_s_max`.
    """

    name: str
    rest_s: float = 30.0
    rest_s_max: float = 3_600.0
    clock: Callable[[], float] = time.monotonic
    _failed: dict[_Key, _Failed] = field(default_factory=dict)

    def resting(self) -> list[_Key]:
        """Those that are not to be tried yet: a query leaves them out."""
        now = self.clock()
        return [key for key, failed in self._failed.items() if failed.rests_until > now]

    def rested(self) -> list[_Key]:
        """Those that failed before and are to be tried again, whether or not the query finds them."""
        now = self.clock()
        return [key for key, failed in self._failed.items() if failed.rests_until <= now]

    async def each(
        self, items: Collection[_Item], work: Callable[[_Item], Awaitable[object]], key: Callable[[_Item], _Key]
    ) -> int:
        """Do `work` for each item; how many succeeded. Raises what an outage of the database raises."""
        done = outages = 0
        for item in items:
            try:
                await work(item)
            except Exception as error:
                self._note(key(item))
                outages = outages + 1 if is_away(error) else 0
                if outages == OUTAGES_MAX:
                    raise
            else:
                self._failed.pop(key(item), None)
                done, outages = done + 1, 0
        return done

    def _note(self, key: _Key) -> None:
        failures = self._failed[key].failures + 1 if key in self._failed else 1
        rest_s = min(self.rest_s_max, self.rest_s * 2 ** min(failures - 1, 30))
        if len(self._failed) >= RESTING_MAX and key not in self._failed:
            del self._failed[min(self._failed, key=lambda known: self._failed[known].rests_until)]
        self._failed[key] = _Failed(failures, self.clock() + rest_s)
        SWEEP_ITEMS_FAILED.labels(self.name).inc()
        _log.warning("sweep_item_failed", kind=self.name, attempts=failures, exc_info=True)
        if failures >= FAILURES_MAX:
            raise_alarm_later(AlarmCode.SWEEP_FAILING, about=self.name)


async def keep_sweeping(name: str, every_s: float, round_of: Callable[[], Awaitable[object]]) -> NoReturn:
    """One round after another, for ever, `every_s` apart; survives whatever ends one. End it by cancelling."""
    failures = 0
    while True:
        try:
            await round_of()
            failures = 0
        except Exception:  # noqa: BLE001 - whatever it was, the next round tries again
            failures += 1
            SWEEPS_FAILED.labels(name).inc()
            _log.warning("sweep_failed", kind=name, attempts=failures, exc_info=True)
            if failures >= FAILURES_MAX:
                raise_alarm_later(AlarmCode.SWEEP_FAILING, about=name)
        await asyncio.sleep(every_s)


class Readable(tuple[_Item, ...]):  # noqa: SLOT001 - a tuple takes no slots of its own
    """The items that could be read, in order. `looked_at`: how many rows there were."""

    looked_at: int

    @classmethod
    def of(cls, items: Iterable[_Item], looked_at: int) -> Self:
        """From the items, and the number of rows that they were read from."""
        made = cls(items)
        made.looked_at = looked_at
        return made

    def reaches(self, rows: int) -> bool:
        """Whether a query for so many rows found them all, so that the list may go on after the last item."""
        return bool(self) and self.looked_at >= rows


def readable(rows: Iterable[_Row], read: Callable[[_Row], _Item], *, name: str) -> Readable[_Item]:
    """`read` of every row that it can be made of; `name` is the list's, a constant.

    Of what an earlier call made, e.g. the views of a store's items, it keeps how many rows were looked at.
    """
    items: list[_Item] = []
    looked_at = 0
    for row in rows:
        looked_at += 1
        try:
            _require_readable(row)
            items.append(read(row))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            UNREADABLE_ROWS.labels(name).inc()
            raise_alarm_later(AlarmCode.UNREADABLE_ROW, about=name)
            _log.error("row_unreadable", about=name, error=type(error).__name__)
    return Readable.of(items, rows.looked_at if isinstance(rows, Readable) else looked_at)


def _require_readable(row: Any) -> None:
    """Raises ValueError for a row of the driver that holds an infinite moment or day, which comes back as another."""
    values = row.values() if isinstance(row, Mapping) else row if isinstance(row, Iterable) else ()
    if not all(map(is_readable, values)):
        raise ValueError("not what was stored")
