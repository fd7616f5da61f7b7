"""Two incarnations of a holder never overlap, and none that lives is reported dead (docs/fence.md)."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import structlog

from libs.cli.processes.children import Child, Program, python
from libs.cli.supervising.fence import SupervisedHereError, fence
from libs.cli.supervising.holders import HolderCalls
from libs.cli.supervising.incarnations import Limits
from libs.cli.supervising.slots import Place, Record, Slot
from libs.cli.supervising.supervisor import State, Supervisor
from libs.common.http.client import ServiceClient
from tests.cli.world.consent_double import ConsentDouble, lives
from tests.tree import ROOT

SLOT = "supervisor/advis"
QUICK = Limits(
    order_poll_s=0.02, retry_s_min=0.02, retry_s_max=0.05, lock_poll_s=0.01, stop_grace_s=0.5, last_word_s=0.5
)
PATIENCE_S = 20.0
SMALL_CHILD = ROOT / "tests" / "cli" / "world" / "small_child.py"
HERE = Place("this boot", "a" * 32)


async def eventually(condition: Callable[[], object], what: str, *, patience_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


@pytest.fixture
def double(tmp_path: Path) -> ConsentDouble:
    (tmp_path / "pids").mkdir()
    return ConsentDouble(tmp_path / "pids")


@pytest.fixture
async def consent(double: ConsentDouble) -> AsyncIterator[ConsentDouble]:
    async with double.serving():
        yield double
    assert not double.wrong, "a living holder was confirmed dead"


@asynccontextmanager
async def supervising(
    url: str, tmp_path: Path, *programs: Program, here: Place | None = None
) -> AsyncIterator[Supervisor]:
    async with ServiceClient(url, bearer="supervisor", timeout_s=1.0) as client:
        calls = HolderCalls(client)
        log = structlog.get_logger()
        async with Supervisor(calls, tmp_path / "slots", log=log, limits=QUICK, here=here) as supervisor:
            supervisor.keep(programs)
            yield supervisor


def child(tmp_path: Path, mode: str = "", *, name: str = "advis", slot: str | None = SLOT, rank: int = 1) -> Program:
    command = (sys.executable, "-S", "-I", str(SMALL_CHILD), str(tmp_path / "pids"), mode)
    return Program(name, command, {"NAME": name}, slot=slot, rank=rank)


def holder(tmp_path: Path) -> Program:
    return child(tmp_path)


async def running(consent: ConsentDouble, number: int) -> int:
    """The pid of the holder registered as the `number`th, counted from 0, when it runs."""
    await eventually(
        lambda: len(consent.registered) > number and consent.pid_of(consent.registered[number]),
        f"incarnation {number} to run",
    )
    pid = consent.pid_of(consent.registered[number])
    assert pid is not None
    return pid


async def test_a_holder_is_registered_before_it_starts_and_gets_its_credential(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    async with supervising(consent.url, tmp_path, holder(tmp_path)) as supervisor:
        pid = await running(consent, 0)
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert supervisor.keepers["advis"].pid == pid
        assert supervisor.keepers["advis"].state is State.RUNNING
        assert f"SAMTYKKEBRO_HOLDER_TOKEN={consent.registered[0]}.secret".encode() in environment
        assert f"SAMTYKKEBRO_PARENT_PID={os.getpid()}".encode() in environment
        assert not [item for item in environment if item.startswith((b"HOME=", b"USER="))]
    assert consent.bearers == {"Bearer supervisor"}


async def test_a_crash_is_confirmed_as_reaped_before_the_next_incarnation_is_registered(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        os.kill(await running(consent, 0), signal.SIGKILL)
        await running(consent, 1)
        first, second = consent.registered
    assert consent.events[:3] == [("register", first), ("dead:reaped", first), ("register", second)]
    assert first != second


async def test_the_next_incarnation_waits_until_consent_has_accepted_the_death(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        pid = await running(consent, 0)
        consent.refuse_deaths = 4
        os.kill(pid, signal.SIGKILL)
        await running(consent, 1)
        assert consent.refuse_deaths == 0
        assert [event for event, _ in consent.events] == ["register", "dead:reaped", "register"]


async def test_a_stopped_process_is_killed_and_confirmed_when_consent_orders_it(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        pid = await running(consent, 0)
        os.kill(pid, signal.SIGSTOP)
        consent.ordered.add(consent.registered[0])
        await running(consent, 1)
        assert not lives(pid)
        assert consent.dead == [("reaped", consent.registered[0])]


async def test_a_living_holder_is_neither_killed_nor_confirmed_without_an_order(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    async with supervising(consent.url, tmp_path, holder(tmp_path)) as supervisor:
        pid = await running(consent, 0)
        consent.ordered.add(uuid4())  # another slot's
        polls = consent.polls
        await eventually(lambda: consent.polls > polls + 3, "some more polls")
        assert supervisor.keepers["advis"].pid == pid
        assert not consent.dead


@contextmanager
def another_supervisor(consent: ConsentDouble, tmp_path: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor in a process of its own, that is killed at the end if it lives."""
    started = [*python("tests.cli.world.supervising"), consent.url, str(tmp_path), *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(started, env=environment, stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


async def test_children_die_with_a_killed_supervisor_and_the_next_one_confirms_by_the_lock(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    with another_supervisor(consent, tmp_path):
        pid = await running(consent, 0)
    await eventually(lambda: not lives(pid), "the child to die with its supervisor")
    assert not consent.dead
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        await running(consent, 1)
        assert consent.dead == [("lock", consent.registered[0])]


async def test_a_child_that_outlives_its_killed_supervisor_keeps_the_lock_that_it_inherited(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    command = child(tmp_path, "orphan").command
    with another_supervisor(consent, tmp_path, *command):
        pid = await running(consent, 0)
    try:
        async with supervising(consent.url, tmp_path, holder(tmp_path)) as supervisor:
            keeper = supervisor.keepers["advis"]
            await eventually(lambda: keeper.waits_for == "the previous process to end", "the lock to be asked for")
            assert lives(pid)
            assert not consent.dead
            os.kill(pid, signal.SIGKILL)
            await running(consent, 1)
            assert consent.dead == [("lock", consent.registered[0])]
    finally:
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


async def test_what_a_killed_supervisor_had_registered_and_not_started_is_buried_by_the_next(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    consent.hold_answers = True
    with another_supervisor(consent, tmp_path):
        await eventually(lambda: consent.registered, "a registration")
    consent.hold_answers = False
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        await running(consent, 1)
        assert consent.dead == [("lock", consent.registered[0])]
        assert consent.pid_of(consent.registered[0]) is None


async def test_the_lock_of_a_living_orphan_blocks_the_confirmation_until_it_is_dead(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    with left_behind(tmp_path, consent) as orphan:
        async with supervising(consent.url, tmp_path, holder(tmp_path)) as supervisor:
            keeper = supervisor.keepers["advis"]
            await eventually(lambda: keeper.waits_for == "the previous process to end", "the lock to be asked for")
            assert keeper.starts == 0
            assert not consent.dead
            orphan.kill()
            orphan.wait()
            await running(consent, 1)
            assert consent.events[1] == ("dead:lock", consent.registered[0])


async def test_another_boot_of_the_same_machine_is_a_proof(consent: ConsentDouble, tmp_path: Path) -> None:
    record = recorded(tmp_path, consent, boot_id="an earlier boot")
    async with supervising(consent.url, tmp_path, holder(tmp_path), here=HERE):
        await running(consent, 1)
        assert consent.dead == [("boot", record.holder_id)]


async def test_a_record_of_another_machine_starts_nothing_until_an_operator_has_fenced_it(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    record = recorded(tmp_path, consent, boot_id="another boot", machine_id="b" * 32)
    async with supervising(consent.url, tmp_path, holder(tmp_path), here=HERE) as supervisor:
        keeper = supervisor.keepers["advis"]
        await eventually(lambda: f"samtykkebro fence {record.holder_id}" in (keeper.waits_for or ""), "a refusal")
        assert consent.events == [("register", record.holder_id)]
        async with ServiceClient(consent.url, bearer="operator") as client:
            await fence(HolderCalls(client), record.holder_id, tmp_path / "slots", here=HERE)
        await running(consent, 1)
        assert consent.dead == [("operator", record.holder_id)]


async def test_an_operator_may_not_fence_what_a_supervisor_here_can_prove(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        await running(consent, 0)
        async with ServiceClient(consent.url, bearer="operator") as client:
            with pytest.raises(SupervisedHereError):
                await fence(HolderCalls(client), consent.registered[0], tmp_path / "slots")
        assert not consent.dead


async def test_without_consent_a_holder_is_not_started_but_other_processes_are(
    double: ConsentDouble, tmp_path: Path
) -> None:
    async with double.serving() as url:
        port = int(url.rpartition(":")[2])
    other = child(tmp_path, name="audit", slot=None)
    async with supervising(url, tmp_path, holder(tmp_path), other) as supervisor:
        keeper = supervisor.keepers["advis"]
        await eventually(lambda: (keeper.waits_for or "").startswith("consent"), "consent to be missed")
        await eventually((tmp_path / "pids" / "audit").exists, "the other process to run")
        assert keeper.starts == 0
        async with double.serving(port):
            await running(double, 0)
            await eventually(lambda: keeper.waits_for is None, "nothing to be waited for")
        assert not double.wrong


async def test_an_incarnation_whose_registration_was_not_answered_is_buried_unused(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    consent.lose_answers = 2
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        await running(consent, 2)
        lost = consent.registered[:2]
        assert consent.dead == [("lock", lost[0]), ("lock", lost[1])]
        assert not any(consent.pid_of(holder_id) for holder_id in lost)


async def test_a_death_that_could_not_be_told_is_told_by_the_next_supervisor(
    consent: ConsentDouble, tmp_path: Path
) -> None:
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        await running(consent, 0)
        consent.refuse_deaths = 1000
    assert Slot(tmp_path / "slots", SLOT).previous() is not None
    consent.refuse_deaths = 0
    async with supervising(consent.url, tmp_path, holder(tmp_path)):
        await running(consent, 1)
        assert consent.dead == [("lock", consent.registered[0])]


async def test_an_orderly_stop_confirms_the_death_and_leaves_no_record(consent: ConsentDouble, tmp_path: Path) -> None:
    async with supervising(consent.url, tmp_path, holder(tmp_path)) as supervisor:
        pid = await running(consent, 0)
    assert not lives(pid)
    assert consent.dead == [("reaped", consent.registered[0])]
    assert Slot(tmp_path / "slots", SLOT).previous() is None
    assert supervisor.keepers["advis"].state is State.STOPPED


async def test_what_discloses_stops_first(consent: ConsentDouble, tmp_path: Path) -> None:
    programs = [
        child(tmp_path, name="issuer", slot=None, rank=2),
        child(tmp_path, name="consent", slot=None, rank=1),
        child(tmp_path, rank=0),
    ]
    async with supervising(consent.url, tmp_path, *programs):
        await running(consent, 0)
        for name in ("issuer", "consent"):
            await eventually((tmp_path / "pids" / name).exists, f"{name} to run")
    assert (tmp_path / "pids" / "ended").read_text().split() == [str(consent.registered[0]), "consent", "issuer"]


async def test_what_ignores_a_request_to_stop_is_killed_after_the_bound(consent: ConsentDouble, tmp_path: Path) -> None:
    async with supervising(consent.url, tmp_path, child(tmp_path, "deaf")) as supervisor:
        pid = await running(consent, 0)
    assert not lives(pid)
    assert supervisor.keepers["advis"].last_code == -signal.SIGKILL


async def test_a_process_that_ends_is_started_again_with_growing_pauses(double: ConsentDouble, tmp_path: Path) -> None:
    brief = child(tmp_path, "brief", name="audit", slot=None)
    async with supervising("http://127.0.0.1:1", tmp_path, brief) as supervisor:
        keeper = supervisor.keepers["audit"]
        await eventually(lambda: keeper.starts >= 3, "a third start")
        assert keeper.last_code == 0


async def test_a_stopped_keeper_starts_again_when_asked(double: ConsentDouble, tmp_path: Path) -> None:
    async with supervising("http://127.0.0.1:1", tmp_path, child(tmp_path, name="audit", slot=None)) as supervisor:
        keeper = supervisor.keepers["audit"]
        await eventually(lambda: keeper.pid, "a start")
        await keeper.stop()
        assert keeper.pid is None
        with pytest.raises(ProcessLookupError):
            keeper.signal(signal.SIGKILL)
        keeper.start()
        await eventually(lambda: keeper.pid, "another start")


async def test_a_program_that_is_not_there_is_said_aloud(tmp_path: Path) -> None:
    missing = Program("audit", (str(tmp_path / "nothing"),), {})
    async with supervising("http://127.0.0.1:1", tmp_path, missing) as supervisor:
        await eventually(lambda: supervisor.keepers["audit"].failure, "the failure")
        with pytest.raises(FileNotFoundError):
            supervisor.check()


async def test_a_child_has_a_session_of_its_own_so_that_ctrl_c_is_ours_alone(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    started = Child(child(tmp_path, name="audit", slot=None), {})
    assert os.getsid(started.pid) == started.pid
    started.signal(signal.SIGKILL)
    await started.exited.wait()
    assert started.code == -signal.SIGKILL
    started.signal(signal.SIGKILL)  # nobody is hit


async def test_a_child_is_not_started_outside_the_main_thread(tmp_path: Path) -> None:
    refused: list[type[BaseException]] = []

    def start() -> None:
        try:
            Child(child(tmp_path), {})
        except RuntimeError as error:
            refused.append(type(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert refused == [RuntimeError]


def recorded(tmp_path: Path, consent: ConsentDouble, **changed: str) -> Record:
    """A record that a supervisor elsewhere left in the slot, its holder registered."""
    slot = Slot(tmp_path / "slots", SLOT)
    assert slot.try_lock()
    record = replace(Record(uuid4(), HERE.boot_id, HERE.machine_id, slot.lock), **changed)
    slot.write(record)
    slot.release()
    consent.events.append(("register", record.holder_id))
    return record


def left_behind(tmp_path: Path, consent: ConsentDouble) -> subprocess.Popen[bytes]:
    """A holder that outlived its supervisor, as one would that had not asked to die with it."""
    slot = Slot(tmp_path / "slots", SLOT)
    assert slot.try_lock()
    here = Place.here()
    holder_id: UUID = uuid4()
    slot.write(Record(holder_id, here.boot_id, here.machine_id, slot.lock))
    consent.events.append(("register", holder_id))
    command = [sys.executable, "-S", "-I", str(SMALL_CHILD), str(tmp_path / "pids"), "orphan"]
    environment = {"SAMTYKKEBRO_HOLDER_ID": str(holder_id)}
    orphan = subprocess.Popen(command, env=environment, pass_fds=(slot.descriptor,))
    slot.release()
    return orphan
