"""What one process takes on: a quota for each caller, a bound on requests in flight, times that end.

1. Withdraw, refuse, restrict, end, settle, orders and deaths carry WAY_TO_STOP: none of these bounds applies to them,
   and connections to the database are kept free for them (`Reserve`), so that no load keeps a citizen from stopping
   what is shared, nor gets a holder fenced that could not settle (docs/fence.md).
2. What is beyond a bound is refused at once, the newest first: 429 for a caller's own quota, 503 for the process's.
3. Tokens that do not hold are bounded for all callers together: beyond it only tokens that are known already are let
   in to what is limited, and each is still verified where it would stop something.
4. A process counts for itself. What it remembers of callers is bounded: who was counted longest ago is forgotten first.
"""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from limits import RateLimitItemPerMinute
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter
from pydantic import BaseModel, Field

from libs.common.http.problems import QuotaError, UnavailableError

WAY_TO_STOP: dict[str, Any] = {"x-never-limited": True}
"""`openapi_extra` of an operation by which a disclosure is stopped: never limited, shed or kept waiting by reads.

Health has it too: a probe that is shed would take a process out of service that can still stop things.
"""

Kind = Literal["read", "write", "system"]

stopping: ContextVar[bool] = ContextVar("stopping", default=False)
"""Whether what runs now answers a way to stop; the route sets it for its request."""

_releasing: ContextVar[bool] = ContextVar("releasing", default=False)


class Limits(BaseModel):
    """The bounds of one process, as settings. Times in seconds."""

    quota_reads_per_minute: int = Field(default=600, ge=1)  # of one person
    quota_writes_per_minute: int = Field(default=120, ge=1)  # of one person
    quota_system_calls_per_minute: int = Field(default=120_000, ge=1)  # of one system or disclosing process
    quota_callers_max: int = Field(default=10_000, ge=1)  # remembered at a time
    refused_tokens_per_minute: int = Field(default=3_000, ge=1)  # of all callers together
    requests_in_flight_max: int = Field(default=256, ge=1)
    request_timeout_s: float = Field(default=30.0, gt=0)
    body_timeout_s: float = Field(default=10.0, gt=0)  # from the first wait for the body to its end
    head_timeout_s: float = Field(default=10.0, gt=0)  # from the connection, or the head's first byte, to its end
    write_timeout_s: float = Field(default=30.0, gt=0)  # that a reader may take nothing
    head_bytes_max: int = Field(default=32 * 1024, ge=1_024)
    headers_max: int = Field(default=64, ge=8)
    url_bytes_max: int = Field(default=4_096, ge=256)
    connections_max: int = Field(default=1_000, ge=1)


class _Window:
    """How many calls one caller has made, second by second."""

    def __init__(self) -> None:
        self.seconds: deque[list[int]] = deque()  # [second, calls], the oldest first
        self.total = 0

    def forget(self, now: int, expiry: int) -> None:
        """Leave out every second that ended `expiry` ago."""
        while self.seconds and self.seconds[0][0] < now - expiry:
            self.total -= self.seconds.popleft()[1]

    def add(self, now: int, calls: int) -> None:
        if not self.seconds or self.seconds[-1][0] != now:
            self.seconds.append([now, 0])
        self.seconds[-1][1] += calls
        self.total += calls


class _Counts(Storage, MovingWindowSupport):
    """The library's storage with a bound, for windows that move: in no minute is there more than the quota.

    The library's own in memory keeps every call's moment and every caller, and starts a thread to forget.
    """

    STORAGE_SCHEME = None  # made here, never by its address

    def __init__(self, keys_max: int) -> None:
        super().__init__()
        self._keys_max = keys_max
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = int(time.time())
        window = self._windows.pop(key, None) or _Window()
        self._windows[key] = window
        if len(self._windows) > self._keys_max:
            self._windows.popitem(last=False)
        window.forget(now, expiry)
        if window.total + amount > limit:
            return False
        window.add(now, amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - its form
        now = time.time()
        window = self._windows.get(key) or _Window()
        window.forget(int(now), expiry)
        return (window.seconds[0][0] + 1.0 if window.seconds else now), window.total

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        raise NotImplementedError

    def get(self, key: str) -> int:
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        raise NotImplementedError

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def __len__(self) -> int:
        return len(self._windows)


class Admission:
    """One process's bounds and what it counts."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counts = _Counts(limits.quota_callers_max)
        self._limiter = MovingWindowRateLimiter(self.counts)
        self._quotas = {
            "read": RateLimitItemPerMinute(limits.quota_reads_per_minute, namespace="read"),
            "write": RateLimitItemPerMinute(limits.quota_writes_per_minute, namespace="write"),
            "system": RateLimitItemPerMinute(limits.quota_system_calls_per_minute, namespace="system"),
        }
        self._refused = RateLimitItemPerMinute(limits.refused_tokens_per_minute, namespace="refused")
        self.in_flight = 0

    @asynccontextmanager
    async def flight(self, *, stops: bool) -> AsyncIterator[None]:
        """One request being answered; one that stops something is neither counted, refused nor ended by time.

        Raises UnavailableError when too many are, or when this one takes too long.
        """
        if stops:
            mark = stopping.set(True)
            try:
                yield
            finally:
                stopping.reset(mark)
            return
        if self.in_flight >= self.limits.requests_in_flight_max:
            raise UnavailableError
        self.in_flight += 1
        try:
            async with asyncio.timeout(self.limits.request_timeout_s) as end:
                yield
        except TimeoutError:
            if end.expired():
                raise UnavailableError from None
            raise
        finally:
            self.in_flight -= 1

    def count(self, caller: str, kind: Kind) -> None:
        """One call of `caller`. Raises QuotaError beyond the caller's quota of that kind."""
        quota = self._quotas[kind]
        if not self._limiter.hit(quota, caller):
            raise QuotaError(self._wait_s(quota, caller))

    def count_refused_token(self) -> None:
        """One token that did not hold, whoever sent it."""
        self._limiter.hit(self._refused)

    def check_tokens_refused(self) -> None:
        """Raises QuotaError when so many tokens did not hold that no further unknown one is verified for a while."""
        if not self._limiter.test(self._refused):
            raise QuotaError(self._wait_s(self._refused))

    def _wait_s(self, quota: RateLimitItemPerMinute, *caller: str) -> int:
        """Whole seconds until the oldest calls are forgotten."""
        return max(1, math.ceil(self._limiter.get_window_stats(quota, *caller).reset_time - time.time()))


@contextmanager
def releasing() -> Iterator[None]:
    """What runs in it gives back what a way to stop waits for (settle, a death, the order to kill)."""
    mark = _releasing.set(True)
    try:
        yield
    finally:
        _releasing.reset(mark)


class Reserve:
    """The pool's turns: everything but a way to stop shares `size` less `reserved` of its connections.

    One of those `reserved`, where there are two or more, is for what releases: ways to stop that wait for a scope would
    otherwise hold every connection, and wait for a settle that gets none.
    """

    def __init__(self, size: int, reserved: int, wait_s: float) -> None:
        self._others = asyncio.Semaphore(max(1, size - reserved))
        self._waiters = asyncio.Semaphore(size - 1 if reserved > 1 else size)
        self._wait_s = wait_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold one of the connections that one may have. Raises TimeoutError after `wait_s`."""
        async with AsyncExitStack() as held:
            if not _releasing.get():
                async with asyncio.timeout(self._wait_s):
                    for turns in (self._waiters,) if stopping.get() else (self._others, self._waiters):
                        await held.enter_async_context(turns)
            yield
