"""Advis's database goes back to an older backup, as an operator would do it (`docs/faults.md`).

The backup is taken online, early. To restore: advis's doors and workers stop, its relay publishes what is left and
stops, the database is made anew from the backup, its outbox gets a new generation, everything starts. What was done
since the backup is read again from the bus, from the position that the old database knew.
"""

import asyncio
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import make_url

from libs.cli.installation import postgres_binaries
from libs.cli.processes.local_parts import RunUser
from libs.common.database.database import Database
from libs.common.outbox.outbox import raise_generation
from tests.faults.evidence import NoEffectError
from tests.faults.world import World

if TYPE_CHECKING:
    from tests.faults.faults import Scene

_UNSENT = (
    "SELECT (SELECT count(*) FROM outbox WHERE number IS NULL)"
    " + (SELECT coalesce(sum(numbered - sent), 0) FROM outbox_lane)"
)
DRAIN_S = 20.0


async def back_up(world: World) -> Path:
    """A consistent copy of advis's database, taken while it works."""
    file = world.folder / "advis.dump"
    await _program(world, "pg_dump", "--format=custom", f"--file={file}", "advis")
    return file


async def restore(scene: "Scene", _rng: random.Random) -> str:
    """Once in a run, from the backup that was taken at its beginning."""
    world, system = scene.world, scene.world.system
    if scene.backup is None or scene.restored_ns:
        raise NoEffectError("once in a run is enough" if scene.restored_ns else "no backup")
    await asyncio.gather(*(system.stop(name) for name in ("advis-api", "advis-consumer", "advis-worker")))
    left = await _published(world)
    await system.stop("advis-relay")
    await _anew(world, scene.backup)
    scene.restored_ns.append(time.monotonic_ns())
    scene.set_back["advis"] += 1
    system.start("advis")
    await system.ready("advis")
    return f"{left} records were left unpublished"


async def _published(world: World) -> int:
    end = time.monotonic() + DRAIN_S
    session = await asyncpg.connect(world.database("advis"))
    try:
        while (left := await session.fetchval(_UNSENT)) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return int(left)
    finally:
        await session.close()


async def _anew(world: World, backup: Path) -> None:
    session = await asyncpg.connect(world.database("postgres"))
    try:
        await session.execute("DROP DATABASE advis WITH (FORCE)")
        await session.execute("CREATE DATABASE advis OWNER advis_owner ENCODING 'UTF8' TEMPLATE template0")
        await session.execute("REVOKE ALL ON DATABASE advis FROM PUBLIC")
        await session.execute("GRANT CONNECT ON DATABASE advis TO advis")
    finally:
        await session.close()
    await _program(world, "pg_restore", "--exit-on-error", "--dbname=advis", str(backup))
    admin = make_url(world.admin_url).set(database="advis").render_as_string(hide_password=False)
    database = Database(admin, application_name="operator", pool_size=1)
    async with database.write() as write:
        await raise_generation(write)
    await database.close()


async def _program(world: World, name: str, *arguments: str) -> None:
    url = make_url(world.admin_url)
    told = {
        **os.environ,
        "PGHOST": str(url.query["host"]),
        "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password),
    }
    program = postgres_binaries.find(RunUser.for_unprivileged()).folder / "bin" / name
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, env=told, stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name}: {errors.decode(errors='replace')[-400:]}")
