"""The door closes what is its own, and not the database that the other roles of its process still use."""

from pathlib import Path

import pytest
from fastapi import FastAPI

from libs.common.database.database import Bell, Database
from services.consent.app import opening, parts_of
from services.consent.settings import Settings
from tests.consent.world import issuer


async def test_a_door_that_closes_leaves_the_database_to_the_other_roles(
    secrets_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    closed: list[str] = []

    async def close(what: Database | Bell) -> None:
        closed.append(type(what).__name__)

    monkeypatch.setattr(Database, "close", close)
    monkeypatch.setattr(Bell, "close", close)
    settings = Settings(
        database_url="postgresql+asyncpg://nobody@127.0.0.1:1/none",
        bus_url="kafka://127.0.0.1:1",
        issuer_url=issuer.URL,
        secrets_dir=secrets_folder,
    )
    parts = parts_of(settings)
    async with opening(parts)(FastAPI()):
        pass
    assert closed == []
    await parts.close()
    assert closed == ["Bell", "Database"]
