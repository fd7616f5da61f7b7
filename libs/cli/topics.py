"""Creates the bus's topics as `deploy/kafka/topics.yaml` declares them, on Kafka or on the embedded bus."""

from pathlib import Path

from libs.common.bus import connect, load_topics

TOPICS = Path(__file__).parents[2] / "deploy" / "kafka" / "topics.yaml"


async def ensure_topics(bus_url: str, path: Path = TOPICS) -> tuple[str, ...]:
    """Creates the topics that are missing and returns every declared name; those that exist are left as they are.

    Raises `BusUnavailableError` when the bus cannot be reached, ValueError or KeyError for a malformed file.
    """
    topics = load_topics(path)
    bus = connect(bus_url, client_id="topics")
    try:
        await bus.start()
        await bus.ensure_topics(topics)
    finally:
        await bus.stop()
    return tuple(topic.name for topic in topics)
