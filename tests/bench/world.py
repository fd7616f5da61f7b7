"""What every figure is measured on: a PostgreSQL that waits for its disk, one consent process, known citizens.

The caller, the process and the database share the machine; so does pgbench, which is what makes the ratio fair.
"""

import asyncio
import os
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import orjson

from libs.cli.installation.postgres import PostgresServer
from libs.common.database.database import Database
from services.consent.citizens.citizens import resolve_citizen
from services.consent.citizens.vault import Vault
from services.consent.http.audit import SERVICE
from services.consent.http.signing import Signer
from services.consent.model.cpr import parse
from tests.consent.world import issuer
from tests.consent.world.door import write_keys
from tests.consent.world.people import number
from tests.servers import ROOT, Postgres
from tests.unlimited import QUOTAS

CITIZENS = 2_000
READY_TIMEOUT_S = 30.0
JSON = dict[str, Any]
_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "max_connections": "200"}  # fsync stays on


@dataclass
class World:
    """`citizens[n]` has the id UUID(int=n+1). `url`: the consent process; `database_url`: its database."""

    folder: Path
    database: Database
    database_url: str
    url: str
    http: aiohttp.ClientSession
    signer: Signer
    numbers: list[str]
    tokens: dict[int, str] = field(default_factory=dict)

    def citizen(self, n: int) -> UUID:
        """The id of the nth citizen."""
        return UUID(f"00000000-0000-4000-8000-{n % CITIZENS + 1:012x}")

    def token(self, n: int) -> str:
        """The nth citizen's access token, made once."""
        n %= CITIZENS
        if n not in self.tokens:
            self.tokens[n] = issuer.citizen(self.numbers[n], iss=issuer_url())
        return self.tokens[n]

    async def call(self, method: str, path: str, token: str, body: Any = None, **headers: str) -> tuple[int, JSON]:
        """One call; the status and the JSON body."""
        named = {
            "authorization": f"Bearer {token}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = None if body is None else orjson.dumps(body)
        if data is not None:
            named["content-type"] = "application/json"
        while True:
            async with self.http.request(method, self.url + path, data=data, headers=named) as answer:
                raw = await answer.read()
            if answer.status != 503:  # a starved machine loses a transaction; every call here may be repeated
                return answer.status, orjson.loads(raw) if raw else {}


_ISSUER: list[str] = []


def issuer_url() -> str:
    """Where the tests' issuer is served in this run."""
    return _ISSUER[0]


def role_token(*roles: str, **claims: Any) -> str:
    """An access token of somebody who is no citizen."""
    return issuer.token(*roles, iss=issuer_url(), **claims)


@contextmanager
def _issuer() -> Any:
    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = {"issuer": issuer_url(), "jwks_uri": issuer_url() + "/jwks", "keys": [issuer.public_key()]}
            raw = orjson.dumps(document)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    _ISSUER[:] = [f"http://127.0.0.1:{server.server_port}"]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()


@asynccontextmanager
async def world(**settings: str) -> AsyncIterator[World]:
    """Everything started, and gone afterwards. `settings` go to the consent process, without their prefix."""
    with tempfile.TemporaryDirectory(prefix="samtykkebro-bench-") as name, _issuer():
        folder = Path(name)
        folder.chmod(0o755)
        with PostgresServer.start(folder / "postgres", settings=_SETTINGS) as server:
            postgres = Postgres(server.admin_url)
            with postgres.database("consent", owner="consent_owner", template=postgres.template("consent")) as made:
                secrets = folder / "secrets"
                secrets.mkdir()
                write_keys(secrets)
                database = Database(made.url, application_name="bench", pool_size=4)
                numbers = await _populate(database, Vault.from_file(secrets / "cpr-keys.json"))
                postgres.execute("VACUUM ANALYZE", database=made.name)
                async with _process(made.url, secrets, folder, settings) as url, _client() as http:
                    signer = Signer.from_file(secrets / "receipt-keys.json", url)
                    yield World(folder, database, made.url, url, http, signer, numbers)
                await database.close()


@asynccontextmanager
async def _client() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=256, force_close=False)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:
        yield http


async def _populate(database: Database, vault: Vault) -> list[str]:
    numbers = [number(date(1858 + n // 900, 5, 17)) for n in range(CITIZENS)]
    for start in range(0, CITIZENS, 100):
        async with database.write() as session:
            for n in range(start, min(start + 100, CITIZENS)):
                made = UUID(f"00000000-0000-4000-8000-{n + 1:012x}")
                await resolve_citizen(session, vault, parse(numbers[n]), actor=SERVICE, new_id=lambda made=made: made)
    return numbers


@asynccontextmanager
async def _process(database_url: str, secrets: Path, folder: Path, settings: dict[str, str]) -> AsyncIterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as reserved:
        port = reserved.server_port
    told = {
        "profile": "development",
        "database_url": database_url,
        "bus_url": "kafka://127.0.0.1:1",
        "issuer_url": issuer_url(),
        "secrets_dir": str(secrets),
        "port": str(port),
        "consent_url": f"http://127.0.0.1:{port}",
        "log_level": "WARNING",
        "database_pool_size": "16",
        **{name: str(value) for name, value in QUOTAS.items()},
        **settings,
    }
    environment = {**os.environ, **{f"SAMTYKKEBRO_{key.upper()}": value for key, value in told.items()}}
    with (folder / "consent.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.consent", "api"), cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            await _ready(f"http://127.0.0.1:{port}", process, folder / "consent.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(READY_TIMEOUT_S), _client() as http:
        while process.returncode is None:
            try:
                async with http.get(url + "/health/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
    raise RuntimeError(f"consent ended:\n{log.read_text()[-2000:]}")


def new_key() -> str:
    """An idempotency key."""
    return uuid4().hex
