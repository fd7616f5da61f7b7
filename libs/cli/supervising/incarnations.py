"""The lives of one permit holder, one after the other (docs/fence.md, Death).

Rules:
- Before an incarnation starts: the slot's lock is ours, the one before it is confirmed dead, the new one is registered.
  Consent out of reach, or refusing: nothing starts, and we ask again (P9).
- What must be known after a crash of ours is on disk before it happens: an incarnation is written down before it is
  registered, and stays so until its death is confirmed.
- A living incarnation is never confirmed dead. It is fenced when consent orders it: SIGKILL, reap, confirm.
- An incarnation that this supervisor reaped is confirmed `reaped`; an older one by what `slots.proof_of_death` finds.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from signal import SIGKILL
from uuid import UUID, uuid4

from structlog.typing import FilteringBoundLogger

from libs.cli.processes.children import Child
from libs.cli.supervising.holders import HolderCalls
from libs.cli.supervising.slots import Place, Record, Slot, UnprovableDeathError, proof_of_death
from libs.common.http.client import RefusedError, UnreachableError
from libs.common.wire.permits import DeathProof


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, in seconds. None of these decides whether something is safe."""

    order_poll_s: float = 0.2
    retry_s_min: float = 0.1
    retry_s_max: float = 5.0
    consent_retry_s_max: float = 0.5  # between two calls to consent while a holder waits for its answer
    lock_poll_s: float = 0.05
    steady_s: float = 10.0  # a process that lived this long is started again at once when it ends
    stop_grace_s: float = 12.0  # between SIGTERM and SIGKILL; a service takes 10 to answer what it was asked
    last_word_s: float = 3.0  # how long stopping waits for consent to accept a death


class Delay:
    """Waits that double from the smallest to the largest delay, in seconds, until `reset`."""

    def __init__(self, smallest: float, largest: float) -> None:
        self._smallest = self._next_s = smallest
        self._largest = largest

    async def wait(self) -> None:
        """Sleeps for the delay whose turn it is."""
        delay_s, self._next_s = self._next_s, min(self._next_s * 2, self._largest)
        await asyncio.sleep(delay_s)

    def reset(self) -> None:
        """What was waited for has happened: the next wait is the smallest again."""
        self._next_s = self._smallest


class Incarnations:
    """What a supervisor knows of one slot. Use in a loop: `begin`, start the child, `watch` it, then `end`.

    `waits_for` says in words what `begin` or `end` waits for; None: for nothing.
    """

    def __init__(
        self, slot: Slot, calls: HolderCalls, *, here: Place, limits: Limits, log: FilteringBoundLogger
    ) -> None:
        self.waits_for: str | None = None
        self._slot = slot
        self._calls = calls
        self._here = here
        self._limits = limits
        self._log = log.bind(slot=slot.name)
        self._current: Record | None = None

    @property
    def holder_id(self) -> UUID | None:
        """The registered incarnation; None when there is none, or not yet."""
        return self._current.holder_id if self._current else None

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that the child must inherit."""
        return (self._slot.descriptor,)

    async def begin(self) -> Mapping[str, str]:
        """Buries the previous incarnation and registers the next. Returns the environment that makes it the holder.

        Waits for as long as it takes.
        """
        while not self._slot.try_lock():
            self.waits_for = "the previous process to end"
            await asyncio.sleep(self._limits.lock_poll_s)
        await self._bury_previous()
        token = await self._register()
        self.waits_for = None
        assert self._current is not None
        return {"SAMTYKKEBRO_HOLDER_ID": str(self._current.holder_id), "SAMTYKKEBRO_HOLDER_TOKEN": token}

    async def watch(self, child: Child) -> None:
        """Returns when the child is reaped. Kills it when consent orders that."""
        async with AsyncExitStack() as stack:
            poll = asyncio.create_task(self._obey(child))
            stack.callback(poll.cancel)
            await child.exited.wait()

    async def end(self) -> None:
        """The child is reaped: confirms the death, however long that takes, and lets go of the slot."""
        assert self._current is not None
        await self._confirm(self._current, "reaped")
        self._forget()
        self._slot.release()

    def leave(self) -> None:
        """Gives up the lock without a word to consent: the record on disk lets the next supervisor go on."""
        self._slot.release()

    async def _bury_previous(self) -> None:
        while (record := self._slot.previous()) is not None:
            try:
                proof = proof_of_death(record, self._here, self._slot.lock)
            except UnprovableDeathError as error:
                if self.waits_for != str(error):
                    self._log.error("death_unprovable", holder_id=record.holder_id)
                self.waits_for = str(error)
                await asyncio.sleep(self._limits.retry_s_max)
                continue
            await self._confirm(record, proof)
            self._forget()

    async def _register(self) -> str:
        delay = Delay(self._limits.retry_s_min, self._limits.consent_retry_s_max)
        while True:
            record = Record(uuid4(), self._here.boot_id, self._here.machine_id, self._slot.lock)
            self._slot.write(record)
            try:
                token = await self._calls.register(record.holder_id, self._slot.name)
            except (UnreachableError, RefusedError) as error:
                self._await_consent("register", error)
                await delay.wait()
                # The answer may have been lost after consent had registered it: it never ran, so it is dead.
                await self._confirm(record, "lock")
                continue
            self._current = record
            self._log.info("holder_registered", holder_id=record.holder_id)
            return token

    async def _confirm(self, record: Record, proof: DeathProof) -> None:
        delay = Delay(self._limits.retry_s_min, self._limits.consent_retry_s_max)
        while True:
            try:
                await self._calls.confirm_dead(record.holder_id, proof)
            except RefusedError as error:
                if error.status == 404:
                    # Unknown to consent: never registered, or lost with a restored database. It can acquire nothing.
                    self._log.warning("holder_unknown", holder_id=record.holder_id)
                    return
                self._await_consent("confirm", error)
            except UnreachableError as error:
                self._await_consent("confirm", error)
            else:
                self._log.info("holder_dead", holder_id=record.holder_id, proof=proof)
                return
            await delay.wait()

    async def _obey(self, child: Child) -> None:
        while True:
            await asyncio.sleep(self._limits.order_poll_s)
            try:
                ordered = await self._calls.orders(self._slot.name)
            except (UnreachableError, RefusedError):
                continue
            if self.holder_id in ordered:
                self._log.warning("holder_fenced", holder_id=self.holder_id, pid=child.pid)
                child.signal(SIGKILL)
                return

    def _forget(self) -> None:
        self._slot.clear()
        self._current = None

    def _await_consent(self, action: str, error: UnreachableError | RefusedError) -> None:
        self.waits_for = f"consent ({error})"
        status = error.status if isinstance(error, RefusedError) else None
        self._log.warning("consent_awaited", action=action, status=status)
