"""The audit service's parts on a database of the test's own, with keys of the test's own."""

import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.database.database import Database
from services.audit.checkpoints.key import LogKey
from services.audit.keys.keyring import Keyring
from services.audit.keys.vault import Vault
from services.audit.log.consumer import EntryHandler
from services.audit.log.maker import LeafMaker
from services.audit.settings import Settings
from tests.operator import parking, write_parking_keys
from tests.servers import TestDatabase
from tests.unlimited import QUOTAS

ORIGIN = "samtykkebro.test/audit"


@pytest.fixture
async def database(audit_database: TestDatabase) -> AsyncIterator[Database]:
    database = Database(audit_database.url, application_name="audit-test")
    yield database
    await database.close()


@pytest.fixture
def secrets_dir(tmp_path: Path) -> Path:
    def key(size: int = 32) -> str:
        return b64encode(os.urandom(size)).decode()

    (tmp_path / "subject-keys.json").write_text(json.dumps({"kek": key(), "index": key()}))
    (tmp_path / "cursor-keys.json").write_text(json.dumps({"keys": [key(64)]}))
    write_parking_keys(tmp_path)
    (tmp_path / "log-key.json").write_text(json.dumps({"name": ORIGIN, "seed": key()}))
    return tmp_path


@pytest.fixture
def vault(secrets_dir: Path) -> Vault:
    return Vault.load(secrets_dir)


@pytest.fixture
def log_key(secrets_dir: Path) -> LogKey:
    return LogKey.load(secrets_dir)


@pytest.fixture
def maker() -> LeafMaker:
    return LeafMaker(ORIGIN, "101")


@pytest.fixture
def handler(database: Database, maker: LeafMaker, vault: Vault) -> EntryHandler:
    return EntryHandler(database, maker, Keyring(vault), parking("audit"))


@pytest.fixture
def settings(audit_database: TestDatabase, secrets_dir: Path) -> Settings:
    return Settings(
        profile="development",
        **QUOTAS,
        database_url=audit_database.url,
        bus_url="postgresql+asyncpg://nobody@127.0.0.1/none",
        issuer_url="http://issuer.test",
        consent_url="http://consent.test",
        secrets_dir=secrets_dir,
        log_origin=ORIGIN,
    )
