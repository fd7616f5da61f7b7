"""Records that nobody can handle, on every topic of a running system: each is parked, and nobody waits for them."""

from collections import Counter
from collections.abc import Iterable

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from libs.cli.dead_letters.letters import listed
from libs.cli.demo import chapters_bridge
from libs.cli.demo.cast import bring_on
from libs.cli.demo.command import set_up
from libs.cli.demo.stage import Stage, eventually
from libs.cli.running.up import System
from libs.common.bus.opening import opened
from libs.common.bus.port import Bus, OutgoingRecord, readable
from libs.common.wire.messages import AUDIT_ENTRIES
from tests.faults.poison import TOPICS, readers_of, shapes, spoken_on

KINDS = (
    *("no headers", "nothing but NUL", "NUL in a header", "null header", "null value", "null key"),
    *("no UTF-8 in the key", "no UTF-8 in a header", "header given twice", "forged replay"),
)

pytestmark = [pytest.mark.journey, pytest.mark.timeout(120)]


async def _poison(bus: Bus, borger_id: str) -> list[OutgoingRecord]:
    """One of each kind on every topic, in the partitions of what is yet to come: of this citizen, of each lane."""
    lanes = sorted({entry.key async for entry in bus.history(AUDIT_ENTRIES)})
    records = []
    for topic in TOPICS:
        keys = lanes if topic == AUDIT_ENTRIES else [borger_id]
        for nth, kind in enumerate(KINDS):
            key, value, headers = spoken_on(topic, shapes()[kind])
            null = frozenset(name for name, content in (("key", key), ("value", value)) if content is None)
            usual = key is not None and key.decode(errors="replace").isprintable()
            under = keys[nth % len(keys)] if usual else readable(key or b"")
            records.append(OutgoingRecord(topic, under, tuple(headers), value or b"", null))
    return records


async def _counted(http: httpx2.AsyncClient, system: System) -> Counter[str]:
    """By topic, what the processes' figures say of parked records."""
    found: Counter[str] = Counter()
    for keeper in system.supervisor.keepers.values():
        if port := keeper.program.environment.get("SAMTYKKEBRO_METRICS_PORT"):
            figures = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
            for sample in _samples(figures, "samtykkebro_records_parked_total"):
                found[sample[0]] += int(sample[1])
    return found


def _samples(figures: str, name: str) -> Iterable[tuple[str, float]]:
    for family in text_string_to_metric_families(figures):
        yield from ((one.labels["topic"], one.value) for one in family.samples if one.name == name)


async def _granted(stage: Stage) -> str:
    consent = await stage.citizens["morten"].grant("KOORDINERING", "BIF-JOBINDSATS", "SOF-BCV", ["FREMMOEDE"])
    consent_id: str = consent["consent"]["consent_id"]
    return consent_id


async def test_poison_on_every_topic_is_parked_and_counted_and_holds_up_nobody(http_client: httpx2.AsyncClient) -> None:
    expected = Counter({(topic, service): len(KINDS) for topic in TOPICS for service in readers_of(topic)})
    async with set_up(Console(quiet=True)) as (stage, system), opened(system.bus_url, client_id="test") as bus:
        await bring_on(stage, system, http_client)
        await chapters_bridge.cases_open(stage)
        morten, fasit = stage.citizens["morten"], stage.sources["fasit"]
        consent_id = await _granted(stage)
        await bus.publish(await _poison(bus, morten.borger_id))
        assert (await morten.withdraw(consent_id)).statuses[-1] == 200
        await _granted(stage)
        await fasit.emit(fasit.event("bif.forloeb.udeblevet", morten.borger_id, "BIF-JOBINDSATS"))
        await stage.until_told("sof101", "bif.forloeb.udeblevet", "SOF-26-2001")

        async def parked() -> bool | None:
            found: Counter[tuple[str, str]] = Counter()
            for (topic, service, _reason), count in (await listed(bus, TOPICS)).counts.items():
                found[topic, service] += count
            return found == expected or None

        await eventually(parked, "every record to be parked by each who reads it")
        assert await _counted(http_client, system) == {t: len(KINDS) * len(readers_of(t)) for t in TOPICS}
        await chapters_bridge.in_the_log(stage, morten.borger_id, "consent.withdrawn")
        for service in ("consent", "advis", "audit"):
            answer = await http_client.get(system.urls[service] + "/health/ready")
            assert answer.status_code == 200
            assert answer.json()["components"] == {"loops": "ok", "bus": "ok"}
