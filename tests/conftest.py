"""Fixtures that every test folder shares: servers per run, a fresh database and fresh topics per test."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from libs.common.bus.opening import connect
from libs.common.bus.port import Bus, Topic
from libs.common.database import database
from libs.common.running import alarms
from tests import servers
from tests.servers import Postgres, TestDatabase

MakeTopic = Callable[..., Awaitable[str]]

# How long a draw takes says nothing about a rule: the first one of a run may build a table of Unicode's characters.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    """structlog's own default draws every traceback with colours and locals, which takes seconds."""
    structlog.configure(processors=[structlog.processors.JSONRenderer(default=str)])


@pytest.fixture(scope="session", autouse=True)
def _patient_sessions() -> Iterator[None]:
    """On a busy machine a test stands still for longer than a transaction may; tests of the limit set it themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "IDLE_IN_TRANSACTION_MS", 30_000)
        yield


@pytest.fixture(autouse=True)
def _no_alarms_waiting() -> None:
    """A process's alarms wait for its database: here for none that another test had."""
    alarms._PENDING.take()


MEMORY = Path("/dev/shm")
MEMORY_FREE_BYTES_MIN = 4 * 2**30


def _in_memory() -> Path | None:
    """Where memory is plenty, test data lies in it: a thousand databases are made and dropped in one run."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_FREE_BYTES_MIN else None


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """A folder outside pytest's own, which another user could not enter: as root, PostgreSQL runs as `nobody`."""
    directory = Path(tempfile.mkdtemp(prefix="samtykkebro-test-", dir=_in_memory()))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(server_directory: Path) -> Iterator[Postgres]:
    with servers.postgres(server_directory / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def kafka(server_directory: Path) -> Iterator[str]:
    """Bootstrap servers of a real Kafka, for the whole run."""
    with servers.kafka(server_directory / "kafka") as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture
def consent_database(postgres: Postgres) -> Iterator[TestDatabase]:
    with postgres.database("consent", owner="consent_owner", template=postgres.template("consent")) as database:
        yield database


@pytest.fixture
def advis_database(postgres: Postgres) -> Iterator[TestDatabase]:
    with postgres.database("advis", owner="advis_owner", template=postgres.template("advis")) as database:
        yield database


@pytest.fixture
def audit_database(postgres: Postgres) -> Iterator[TestDatabase]:
    with postgres.database("audit", owner="audit_owner", template=postgres.template("audit")) as database:
        yield database


@pytest.fixture
def bus_database(postgres: Postgres) -> Iterator[TestDatabase]:
    postgres.role("bus")
    with postgres.database("bus", owner="bus") as database:
        yield database


@pytest.fixture
def bus_url(bus_database: TestDatabase) -> str:
    """The embedded bus, empty."""
    return bus_database.url


@pytest.fixture
async def embedded_bus(bus_url: str) -> AsyncIterator[Bus]:
    bus = connect(bus_url, client_id="test")
    await bus.start()
    yield bus
    await bus.stop()


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def any_bus_url(request: pytest.FixtureRequest) -> str:
    """Each implementation of the bus in turn."""
    if request.param == "kafka":
        return f"kafka://{request.getfixturevalue('kafka')}"
    return str(request.getfixturevalue("bus_url"))


@pytest.fixture
async def bus(any_bus_url: str) -> AsyncIterator[Bus]:
    """Each implementation in turn, started: what holds for one must hold for the other."""
    bus = connect(any_bus_url, client_id="test")
    await bus.start()
    yield bus
    await bus.stop()


@pytest.fixture
def make_topic(bus: Bus) -> MakeTopic:
    """`await make_topic(partitions=3)` → the name of a new topic on `bus`, its dead-letter topic beside it."""

    async def make(partitions: int = 1) -> str:
        name = f"t-{secrets.token_hex(6)}"
        await bus.ensure_topics([Topic(name, partitions), Topic(f"{name}.dead-letter", partitions)])
        return name

    return make
