"""`samtykkebro topics` on a cluster whose topics exist already, made in another form."""

import secrets
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from libs.cli.bus.kafka_topics import configure
from libs.cli.bus.topics import ensure_topics
from libs.common.bus.opening import opened
from libs.common.bus.port import BusUnavailableError, Topic

pytestmark = pytest.mark.kafka
FORM = """\
topics:
  - name: {name}
    partitions: 1
    replication_factor: 1
    config:
      message.timestamp.type: LogAppendTime
      max.message.bytes: 262144
"""


async def _configuration(kafka: str, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    ((_code, _message, _type, _name, entries, *_),) = answer.resources
    return {name: value for name, value, *_ in entries}


async def test_a_topic_that_exists_gets_what_is_declared_and_keeps_what_is_not(kafka: str, tmp_path: Path) -> None:
    name = f"t-{secrets.token_hex(6)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    former = {"message.timestamp.type": "CreateTime", "retention.ms": "1000", "segment.ms": "77777"}
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=former)])
    await admin.close()
    path = tmp_path / "topics.yaml"
    path.write_text(FORM.format(name=name))
    for _ in range(2):  # repeating it changes nothing more
        assert await ensure_topics(f"kafka://{kafka}", path) == (name,)
        found = await _configuration(kafka, name)
        assert (found["message.timestamp.type"], found["max.message.bytes"]) == ("LogAppendTime", "262144")
        assert found["retention.ms"] == str(15 * 86_400_000), "the replay horizon"
        assert found["segment.ms"] == "77777"


@pytest.mark.parametrize("config", [{"retention.ms": "soon"}, {"no.such.setting": "1"}])
async def test_a_configuration_that_the_broker_refuses_is_an_error_that_names_the_topic(
    kafka: str, config: dict[str, str]
) -> None:
    name = f"t-{secrets.token_hex(6)}"
    async with opened(f"kafka://{kafka}", client_id="test") as bus:
        await bus.ensure_topics([Topic(name, 1)])
    with pytest.raises(BusUnavailableError, match=f"{name}: Invalid"):
        await configure(f"kafka://{kafka}", [Topic(name, 1, 1, config)])
