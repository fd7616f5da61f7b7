"""What the nemesis deals: each member of a family, once more what had no effect; and poison that arrives."""

import asyncio
import random
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from tests.faults import bus_faults
from tests.faults.evidence import NoEffectError
from tests.faults.faults import Fault
from tests.faults.nemesis import Nemesis
from tests.faults.poison import AT_A_TIME, TOPICS


async def test_what_had_no_effect_is_said_and_comes_again_before_its_family_begins_anew() -> None:
    tries: list[str] = []

    def fault(name: str, failures: int) -> Fault:
        async def run(_scene: object, _rng: random.Random) -> str:
            tries.append(name)
            if tries.count(name) <= failures:
                raise NoEffectError("nobody was there")
            return "done"

        return Fault(name, run)

    kinds = (fault("kill a", 1), fault("kill b", 0), fault("kill c", 0))
    nemesis = Nemesis(SimpleNamespace(), random.Random(3), kinds)
    nemesis.rng.uniform = lambda _least, _most: 0.0  # type: ignore[method-assign]
    for _ in range(4):
        await nemesis._inflict(nemesis._next_of("kill"))
    assert sorted(tries) == ["kill a", "kill a", "kill b", "kill c"]
    lines = [(line.took_effect, line.detail) for line in nemesis.lines if line.name == "kill a"]
    assert lines == [(False, "no effect: nobody was there"), (True, "done")]


class Bus:
    """A broker that refuses the first connections, and breaks each after so many records."""

    def __init__(self, refusals: int, broken_after: int) -> None:
        self.refusals, self.broken_after = refusals, broken_after
        self.taken: list[str] = []

    async def start(self) -> None:
        self.refusals -= 1
        if self.refusals >= 0:
            raise KafkaConnectionError("nobody listens")
        self.left = self.broken_after

    async def send_and_wait(self, topic: str, *_: object, **__: object) -> SimpleNamespace:
        self.left -= 1
        if self.left < 0:
            raise KafkaConnectionError("cut")
        self.taken.append(topic)
        return SimpleNamespace(topic=topic, partition=0, offset=len(self.taken))

    async def stop(self) -> None:
        pass


async def _poison(monkeypatch: pytest.MonkeyPatch, bus: Bus) -> tuple[SimpleNamespace, str]:
    monkeypatch.setattr(bus_faults, "AGAIN_S", 0.0)
    monkeypatch.setattr(bus_faults, "AIOKafkaProducer", lambda **_: bus)
    scene = SimpleNamespace(world=SimpleNamespace(kafka={}), poisoned=[])
    return scene, await bus_faults.every()["poison"](scene, random.Random(1))


async def test_poison_reaches_every_topic_once_though_the_broker_is_away_at_first(monkeypatch) -> None:
    """Twice a whole run dealt it while the broker was killed, and put nothing on the bus."""
    bus = Bus(refusals=3, broken_after=5)
    scene, said = await _poison(monkeypatch, bus)
    assert sorted(bus.taken) == sorted(TOPICS * AT_A_TIME)
    assert [topic for topic, _, _ in scene.poisoned] == bus.taken
    assert said == f"{len(bus.taken)} records"


async def test_poison_that_does_not_arrive_had_no_effect(monkeypatch) -> None:
    monkeypatch.setattr(bus_faults, "POISON_S", 0.05)
    with pytest.raises(NoEffectError, match=r"0 of .* records: .*nobody listens"):
        await _poison(monkeypatch, Bus(refusals=10**9, broken_after=0))


async def test_a_producer_of_the_library_that_is_used_gives_up_at_once(monkeypatch) -> None:
    """Why it is begun anew: a start against a broker that is away does not wait for it."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    async with asyncio.timeout(10):
        with pytest.raises(KafkaConnectionError):
            await producer.start()
    await producer.stop()
