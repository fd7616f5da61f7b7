"""Each service keeps its loops running: one that breaks begins anew, and only a door that fails ends the process."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import services.advis.app
import services.audit.app
import services.consent.app
from libs.common.running import health
from libs.common.running.process import run_roles
from libs.common.service.composition import DOOR
from services.advis.settings import Settings as AdvisSettings
from services.audit.settings import Settings as AuditSettings
from services.consent.settings import Settings as ConsentSettings
from tests.advis.world.examples import REFERENCE_DIR
from tests.operator import write_parking_keys

NOWHERE = {
    "profile": "development",
    "database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
    "bus_url": "kafka://127.0.0.1:1",
    "issuer_url": "http://127.0.0.1:1",
    "consent_url": "http://127.0.0.1:1",
}


class DoorError(Exception):
    """What the door ends with."""


class Broken:
    """Loops that break at their first run, and a door that fails when each has begun anew."""

    def __init__(self, *loops: str) -> None:
        self.runs: Counter[str] = Counter(dict.fromkeys(loops, 0))

    def loop(self, name: str) -> Callable[..., Awaitable[None]]:
        async def run(*_given: Any, **_more: Any) -> None:
            self.runs[name] += 1
            if self.runs[name] == 1:
                raise LookupError(name)
            await asyncio.Event().wait()

        return run

    async def door(self, *_given: Any) -> None:
        async with asyncio.timeout(10):
            while min(self.runs.values()) < 2:
                await asyncio.sleep(0.01)
        raise DoorError


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, app: ModuleType) -> Broken:
    """In place of every loop of the service."""
    monkeypatch.setattr(health, "RESTART_MIN_S", 0.001)
    loops = {loop for one in app.ROLES.values() for loop in one if loop != DOOR}
    broken = Broken(*loops, "operations")
    instead = {
        role: {loop: broken.door if loop == DOOR else broken.loop(loop) for loop in one}
        for role, one in app.ROLES.items()
    }
    monkeypatch.setattr(app, "ROLES", instead)
    monkeypatch.setattr("libs.common.service.composition.operate", broken.loop("operations"))
    return broken


@pytest.mark.parametrize(
    ("app", "settings"),
    [(services.consent.app, ConsentSettings), (services.audit.app, AuditSettings)],
    ids=["consent", "audit"],
)
async def test_every_loop_begins_anew_and_the_door_goes_on(
    app: ModuleType, settings: Callable[..., Any], broken: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parking_keys(tmp_path)
    for key in ("signer_of", "entry_handler", "signer"):  # keys that no loop of this test uses
        monkeypatch.setattr(app, key, lambda _parts: None, raising=False)
    parts = app.parts_of(settings(**NOWHERE, secrets_dir=tmp_path))
    with pytest.raises(DoorError):
        await run_roles(app.roles(parts, "all"), parts.close)
    assert set(broken.runs.values()) == {2}
    assert set(parts.conditions.lasting(0.0)) == {f"loop:{loop}" for loop in broken.runs}


@pytest.mark.parametrize("app", [services.advis.app], ids=["advis"])
async def test_every_loop_of_advis_begins_anew_and_the_door_goes_on(
    app: ModuleType, broken: Broken, tmp_path: Path
) -> None:
    write_parking_keys(tmp_path)
    secret = tmp_path / "client-secret"
    secret.write_text("not used here")
    own = {"secrets_dir": tmp_path, "client_secret_file": secret, "reference_dir": REFERENCE_DIR}
    with pytest.raises(ExceptionGroup) as failure:
        await app.run(AdvisSettings(**NOWHERE, **own), app.ROLES)
    assert failure.group_contains(DoorError)
    assert set(broken.runs.values()) == {2}
