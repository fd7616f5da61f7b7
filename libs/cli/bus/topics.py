"""Makes the bus ready, as its owner: the declared topics, and who may write and read them.

`deploy/kafka/topics.yaml` declares the topics, `deploy/reference/sources.yaml` the sources. Repeating it adds what is
missing and sets a topic's declared configuration and each password anew; a configuration that is not declared stays.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from libs.cli.bus.bus_grants import embedded_grants, kafka_grants
from libs.cli.bus.kafka_rights import set_passwords, set_rights
from libs.cli.bus.kafka_topics import configure
from libs.common.bus.opening import opened
from libs.common.bus.port import Grant, Topic, load_topics
from libs.common.bus.postgres import PostgresBus
from libs.common.running.settings import PREFIX, CommonSettings
from libs.common.wire.sources import load_sources

TOPICS = Path(__file__).parents[3] / "deploy" / "kafka" / "topics.yaml"
REFERENCE = Path(__file__).parents[3] / "deploy" / "reference"
HORIZON = f"{PREFIX}REPLAY_HORIZON_DAYS"
_DAY_MS = 86_400_000


def declared(path: Path = TOPICS) -> tuple[Topic, ...]:
    """The topics, each kept for the replay horizon. Raises ValueError or KeyError for a malformed file or horizon."""
    default = CommonSettings.model_fields["replay_horizon_days"].default
    kept_ms = int(os.environ.get(HORIZON) or default) * _DAY_MS
    return tuple(
        replace(topic, config={**(topic.config or {}), "retention.ms": str(kept_ms)}) for topic in load_topics(path)
    )


def declared_grants(*, embedded: bool, path: Path = TOPICS) -> tuple[Grant, ...]:
    """Every grant of an installation. Raises ValueError, KeyError or SourcesError for a malformed file."""
    names = [topic.name for topic in load_topics(path)]
    return embedded_grants(names) if embedded else kafka_grants(names, load_sources(REFERENCE))


def passwords_in(folder: Path) -> dict[str, str]:
    """The password of each principal that has a file `bus_<principal>` in the folder. Raises OSError."""
    files = {grant.principal: folder / f"bus_{grant.principal}" for grant in declared_grants(embedded=False)}
    return {name: file.read_text(encoding="utf-8").strip() for name, file in files.items() if file.exists()}


async def ensure_topics(
    bus_url: str, path: Path = TOPICS, *, passwords: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Makes what is missing as the owner whom `bus_url` names; returns every declared topic.

    `passwords` by principal, on Kafka: None leaves principals and rights alone, for a cluster that knows none.
    Raises `BusUnavailableError` when the bus cannot be reached, ValueError or KeyError for a malformed file.
    """
    topics = declared(path)
    async with opened(bus_url, client_id="topics") as bus:
        await bus.ensure_topics(topics)
        if isinstance(bus, PostgresBus):
            await bus.allow(declared_grants(embedded=True, path=path))
        else:
            await configure(bus_url, topics)
            if passwords:
                await set_passwords(bus_url, passwords)
            if passwords is not None:
                await set_rights(bus_url, declared_grants(embedded=False, path=path))
    return tuple(topic.name for topic in topics)
