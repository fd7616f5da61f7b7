"""The tutorial, as a newcomer pastes it: every block of the page is run against `samtykkebro up`."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from libs.cli import commands
from libs.cli.installation.people import CITIZENS, CLIENTS, STAFF
from libs.cli.running.up import System, running_system
from tests.cli.world.places import server_folder
from tests.tree import ROOT

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PORTS = {"issuer": 8100, "consent": 8101, "advis": 8102, "audit": 8103}


@pytest.fixture
async def system() -> AsyncIterator[System]:
    with server_folder() as folder:
        async with running_system("embedded", folder) as running:
            yield running


def _script(system: System) -> str:
    """The page's blocks in order, at the addresses of this system, each followed by a line that it is over."""
    blocks = "".join(f"{block}echo '== {number}'\n" for number, block in enumerate(BLOCK.findall(PAGE)))
    for service, port in PORTS.items():
        blocks = blocks.replace(f"http://127.0.0.1:{port}", system.urls[service])
    return f"set -euo pipefail\n{blocks}"


def _environment(system: System, folder: Path) -> Mapping[str, str]:
    ours = {
        "SAMTYKKEBRO_STATE_DIR": str(system.state_dir),
        "SAMTYKKEBRO_ISSUER_URL": system.urls["issuer"],
        "SAMTYKKEBRO_AUDIT_URL": system.urls["audit"],
        "TMPDIR": str(folder),
    }
    return {**os.environ, **ours}


async def test_every_command_of_the_page_does_what_the_page_says(system: System, tmp_path: Path) -> None:
    command = ["bash", "-c", _script(system)]
    ended = await asyncio.to_thread(
        subprocess.run,
        command,
        env=_environment(system, tmp_path),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    _, given, _reported, told, withdrawn, verified = re.split(r"^== [0-9]\n", ended.stdout, flags=re.MULTILINE)[:6]
    assert given.strip() == "active"
    assert told.strip() == "['bif.tilbud.bevilget']"
    assert withdrawn.split() == ["200", "[]"]
    assert "withdrawn" in verified


async def test_everybody_whom_up_names_gets_a_token(
    system: System, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMTYKKEBRO_STATE_DIR", str(system.state_dir))
    people = [(person.username, "consent") for person in (*CITIZENS, *STAFF)]
    systems = [(client.client_id, audience) for client in CLIENTS for audience in client.audiences]
    for name, service in (*people, *systems):
        await commands.show_token(system.urls["issuer"], name, service, None)
        assert capsys.readouterr().out.count(".") == 2, f"{name}: one compact JWT and nothing else"
