"""One mechanism for what is done again and again over many items: each item on its own, none in another's way.

1. An item that fails ends neither the round nor the turn of those behind it. It rests, longer each time it fails, and
   is asked for again afterwards; the query leaves out who is resting, so that failing items never fill a batch.
2. Three failures running of one item, or three rounds running that end in an error, are an alarm (`sweep_failing`).
3. A database that is away ends the round after OUTAGES_MAX items: nothing is wrong with the rest.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, NoReturn, TypeVar

from libs.common.alarms import AlarmCode, raise_alarm_later
from libs.common.database import is_away
from libs.common.log import get_logger
from libs.common.metrics import SWEEP_ITEMS_FAILED, SWEEPS_FAILED

FAILURES_MAX: Final = 3  # running, then it is an alarm
OUTAGES_MAX: Final = 3  # running, of one round
RESTING_MAX: Final = 10_000  # items remembered; beyond, the one that rests shortest is asked for again

_log = get_logger()
_Key = TypeVar("_Key", bound=Hashable)
_Item = TypeVar("_Item")


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
