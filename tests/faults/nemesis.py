"""Deals the faults: seeded, one to three at a time, one of every family before any family comes again."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults import faults
from tests.faults.evidence import FaultLine, NoEffectError
from tests.faults.faults import Fault, Scene

FAULT_S_MAX = 60.0
AT_ONCE = (1, 1, 2, 2, 3)


@dataclass
class Nemesis:
    """`lines` is what it has done; `under_way` what it does now."""

    scene: Scene
    rng: random.Random
    kinds: Sequence[Fault]
    lines: list[FaultLine] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    _deck: list[Fault] = field(default_factory=list)
    _rest: dict[str, list[Fault]] = field(default_factory=dict)

    async def haunt(self, seconds: float) -> None:
        """Faults for so long; returns when the last has been taken back."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            hand = self._deal()
            await asyncio.gather(*(self._inflict(fault) for fault in hand))
            await asyncio.sleep(self.rng.uniform(0.3, 1.5))
        await faults.heal(self.scene)

    def _deal(self) -> list[Fault]:
        """The next few; what must be alone comes alone."""
        hand: list[Fault] = []
        wanted = self.rng.choice(AT_ONCE)
        while len(hand) < wanted:
            if not self._deck:
                self._deck = [self._next_of(family) for family in dict.fromkeys(kind.family for kind in self.kinds)]
                self.rng.shuffle(self._deck)
            if hand and (self._deck[-1].alone or hand[0].alone or self._deck[-1] in hand):
                break
            hand.append(self._deck.pop())
        return hand

    def _next_of(self, family: str) -> Fault:
        """One member of a family, and each of them once before any comes again; what had no effect comes once more."""
        if not self._rest.get(family):
            self._rest[family] = [kind for kind in self.kinds if kind.family == family]
            self.rng.shuffle(self._rest[family])
        return self._rest[family].pop()

    async def _inflict(self, fault: Fault) -> None:
        await asyncio.sleep(self.rng.uniform(0.0, 0.8))
        self.under_way.append(fault.name)
        began, detail, took_effect = time.monotonic_ns(), "did not end in time", False
        try:
            async with asyncio.timeout(FAULT_S_MAX):
                detail, took_effect = await fault.run(self.scene, self.rng), True
        except TimeoutError:
            pass
        except NoEffectError as error:
            detail = f"no effect: {error}"
        except (OSError, RuntimeError, KeyError) as error:
            detail = f"could not be done: {type(error).__name__}: {error}"
        finally:
            self.under_way.remove(fault.name)
            ended = time.monotonic_ns()
            self.lines.append(FaultLine(fault.name, began, ended, fault.outage, detail, took_effect))
        if not took_effect:
            self._rest.setdefault(fault.family, []).insert(0, fault)
