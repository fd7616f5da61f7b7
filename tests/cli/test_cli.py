"""The command line: an operator finds their way, and every command ends with a code and a reason."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
import typer
from typer.testing import CliRunner

from libs import __version__
from libs.cli import commands
from libs.cli.__main__ import app
from libs.cli.installation.profiles import Ports
from libs.cli.supervising import supervise
from libs.common.http.client import ServiceClient
from tests.cli.world.consent_double import ConsentDouble
from tests.cli.world.log_double import LogDouble, leaf

runner = CliRunner()


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMTYKKEBRO_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("BUS_URL", "ISSUER_URL", "CONSENT_URL", "AUDIT_URL", "SUPERVISOR_SECRET_FILE"):
        monkeypatch.delenv(f"SAMTYKKEBRO_{name}", raising=False)


def test_the_command_says_the_one_version() -> None:
    shown = runner.invoke(app, ["--version"])
    assert (shown.exit_code, shown.output.strip()) == (0, __version__)


def test_help_is_where_an_operator_starts() -> None:
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    for command in (
        "demo",
        "up",
        "supervise",
        "fence",
        "holders",
        "receipt",
        "audit",
        "secrets",
        "topics",
        "generation",
    ):
        assert f" {command} " in shown.output
    assert runner.invoke(app, []).output.strip() == shown.output.strip()


@pytest.mark.parametrize(
    "command", [["up"], ["fence"], ["holders"], ["receipt", "verify"], ["audit", "verify"], ["generation", "raise"]]
)
def test_every_command_explains_itself(command: list[str]) -> None:
    assert runner.invoke(app, [*command, "--help"]).exit_code == 0


@pytest.mark.parametrize("words", [["consent", "cook"], ["kitchen", "api"]])
def test_a_role_that_does_not_exist_is_refused(words: list[str]) -> None:
    refused = runner.invoke(app, ["supervise", *words])
    assert refused.exit_code == 2
    assert "there is no role" in refused.output


def test_a_supervisor_of_what_discloses_says_which_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = runner.invoke(app, ["supervise", "advis", "api"])
    assert refused.exit_code == 1
    assert "SAMTYKKEBRO_ISSUER_URL is not set" in refused.output


def test_a_role_is_told_its_database_password_and_nothing_of_the_supervisor(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("s3/cret\n")
    environment = {
        "SAMTYKKEBRO_DATABASE_URL": "postgresql+asyncpg://advis@postgres/advis",
        "SAMTYKKEBRO_DATABASE_PASSWORD_FILE": str(password),
        "SAMTYKKEBRO_SUPERVISOR_ID": "supervisor-2",
        "SAMTYKKEBRO_SUPERVISOR_SECRET_FILE": "/run/secrets/client_supervisor",
        "PATH": "/bin",
    }
    program = supervise._program("advis", "worker", environment)
    assert program.slot == "supervisor-2/advis-worker"
    assert program.environment == {
        "SAMTYKKEBRO_DATABASE_URL": "postgresql+asyncpg://advis:s3%2Fcret@postgres/advis",
        "PATH": "/bin",
    }
    assert supervise._program("advis", "relay", environment).slot is None


def test_the_log_of_a_password_file_that_is_missing_is_a_reason_and_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMTYKKEBRO_DATABASE_URL", "postgresql+asyncpg://consent@postgres/consent")
    monkeypatch.setenv("SAMTYKKEBRO_DATABASE_PASSWORD_FILE", "/nonexistent/password")
    refused = runner.invoke(app, ["supervise", "consent", "relay"])
    assert refused.exit_code == 1
    assert "No such file" in refused.output


def test_topics_need_a_bus() -> None:
    refused = runner.invoke(app, ["topics"])
    assert refused.exit_code == 1
    assert "SAMTYKKEBRO_BUS_URL" in refused.output


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert runner.invoke(app, ["secrets", str(folder)]).exit_code == 0
    made = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {"database_postgres", "database_bus", "database_advis_owner", "log-key.json"} <= {p.name for p in made}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    assert runner.invoke(app, ["secrets", str(folder), "--for-containers"]).exit_code == 0
    assert {path: path.read_bytes() for path in made} == made
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made}
    assert {mode for path, mode in modes.items() if path.parent.name != "operator"} == {0o444}
    assert {mode for path, mode in modes.items() if path.parent.name == "operator"} == {0o600}  # no container's
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_fencing_asks_first_and_does_nothing_without_an_answer() -> None:
    asked = runner.invoke(app, ["fence", str(uuid4())], input="n\n")
    assert asked.exit_code == 1
    assert "Have you made sure" in asked.output


@pytest.mark.parametrize(
    "words", [["holders"], ["fence", str(uuid4()), "--i-have-made-sure-that-it-is-dead"], ["audit", "verify"]]
)
def test_without_the_clients_secret_a_command_says_which(words: list[str]) -> None:
    refused = runner.invoke(app, words)
    assert refused.exit_code == 1
    assert "the secret of" in refused.output


def test_an_issuer_that_is_away_is_a_reason_and_no_trace(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    refused = runner.invoke(app, ["holders", "--issuer", "http://127.0.0.1:1", "--secret-file", str(secret)])
    assert refused.exit_code == 1
    assert "no access token" in refused.output


def test_a_token_from_an_issuer_that_is_away_is_a_reason_and_no_trace() -> None:
    refused = runner.invoke(app, ["token", "morten", "consent", "--issuer", "http://127.0.0.1:1"])
    assert refused.exit_code == 1
    assert "no token for morten" in refused.stderr
    assert "Traceback" not in refused.output


async def test_holders_are_listed_with_what_they_have_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    double = ConsentDouble(tmp_path)
    holder = uuid4()
    double.living = [
        {
            "holder_id": str(holder),
            "slot": "supervisor/advis",
            "registered_at": "2026-11-22T10:00:00Z",
            "fence_ordered_at": None,
            "open_permits": 0,
        }
    ]
    async with double.serving() as url:
        await commands.show_holders(ServiceClient(url, bearer="operator"))
    shown = capsys.readouterr().out
    assert str(holder) in shown
    assert " 0 " in shown


async def test_fencing_an_unknown_holder_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with ConsentDouble(tmp_path).serving() as url:
        with pytest.raises(typer.Exit) as ended:
            await commands.fence_holder(ServiceClient(url, bearer="operator"), uuid4())
    assert ended.value.exit_code == 1
    assert "no such holder" in capsys.readouterr().err


@pytest.mark.parametrize(("numbers", "code"), [((1, 2), 0), ((1, 3), 3), ((1, 1), 2)])
async def test_the_log_is_verified_to_a_code(
    numbers: tuple[int, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    log = LogDouble()
    log.append(*(leaf("consent", number) for number in numbers))
    log.sign()
    async with log.serving() as url:
        with pytest.raises(typer.Exit) as ended:
            await commands.show_verdict(ServiceClient(url, bearer="auditor"), vkey=None, known=None)
    assert ended.value.exit_code == code
    printed = capsys.readouterr()
    assert "entries hashed again" in printed.out
    assert "give --vkey" in printed.err


async def test_a_log_that_cannot_be_read_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        await commands.show_verdict(ServiceClient("http://127.0.0.1:1", bearer="auditor"), vkey=None, known=None)
    assert ended.value.exit_code == 1
    assert "cannot be read" in capsys.readouterr().err


async def test_up_does_not_start_beside_another_program_on_its_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ConsentDouble(tmp_path).serving() as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(typer.Exit) as ended:
            await commands.up("embedded", tmp_path / "state", Ports(port, port + 1, port + 2, port + 3, port + 10))
    assert ended.value.exit_code == 1
    assert f"listens on port {port}" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_raising_the_generation_says_what_it_means_and_asks_first() -> None:
    asked = runner.invoke(app, ["generation", "raise"], input="n\n")
    assert asked.exit_code == 1
    assert "what arrived before, and was not told yet, is never told" in asked.output
    assert "Is everything stopped" in asked.output


@pytest.mark.parametrize("folder", ["/dev/null/x", "absent", "", "file"])
def test_no_generation_is_raised_and_nothing_made_where_there_is_no_installation(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"\0")
    refused = runner.invoke(app, ["generation", "raise", "--yes", "--state-dir", str(tmp_path / folder)])
    assert refused.exit_code == 1
    assert "there is no installation" in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("words", [["--service", "kitchen"], ["--above", "-1"], ["--above", "1000001"]])
def test_a_generation_that_cannot_be_is_refused(words: list[str]) -> None:
    assert runner.invoke(app, ["generation", "raise", "--yes", *words]).exit_code == 2


def test_an_owners_address_is_one_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container: the service's own role takes the command's place, told what the command was."""
    monkeypatch.setenv("SAMTYKKEBRO_MIGRATION_DATABASE_URL", "postgresql+asyncpg://consent_owner@127.0.0.1:1/consent")
    refused = runner.invoke(app, ["generation", "raise", "--yes"])
    assert refused.exit_code == 2
    assert "--service" in refused.output
    command = [sys.executable, "-m", "libs.cli", "generation", "raise", "--yes", "--service", "consent"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == os.EX_UNAVAILABLE
    assert "consent: the database does not raise its generation" in done.stderr
