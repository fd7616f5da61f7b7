"""`samtykkebro demo [--json] [--verbose]`: start the system, play the story, print what was kept."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx2
import orjson
import typer
from rich.console import Console

from libs.cli.demo import chapters_asking, chapters_bridge, chapters_family, chapters_proof
from libs.cli.demo.actors import UnexpectedAnswerError
from libs.cli.demo.cast import bring_on, endpoints_file
from libs.cli.demo.receiver import Receiver
from libs.cli.demo.report import Report, print_opening, print_promises, print_step
from libs.cli.demo.stage import Stage, StoryError
from libs.cli.processes.local_parts import LocalPartError
from libs.cli.running.up import Profile, StartError, System, running_system

NOT_YET = [
    {
        "id": "P8",
        "what": "erasing a person while every proof still verifies, an outside witness, and the offline bundle",
    },
    {"id": "P6", "what": "birthdays, death, moving away and closed units: in the tests, not in this run"},
    {"id": "P9", "what": "database and bus gone: in the tests, not in this run"},
]


async def play(stage: Stage, system: System, http: httpx2.AsyncClient) -> Report:
    """The whole story on a running system. Raises StoryError or UnexpectedAnswerError where it cannot go on."""
    await bring_on(stage, system, http)
    await chapters_bridge.cases_open(stage)
    await chapters_bridge.morten(stage)
    await chapters_bridge.hans(stage)
    await chapters_family.peter(stage)
    await chapters_family.guelcan(stage)
    await chapters_asking.a_request(stage)
    await chapters_asking.a_telephone_call(stage)
    await chapters_proof.specific(stage)
    await chapters_proof.fails_closed(stage, system)
    jwks = (await http.get(system.urls["consent"] + "/.well-known/jwks.json")).json()
    await chapters_proof.receipts(stage, jwks)
    await chapters_proof.the_record(stage, system)
    await chapters_proof.personal_numbers(stage, system)
    report = stage.finish()
    report.not_yet = NOT_YET
    return report


@contextlib.asynccontextmanager
async def set_up(console: Console | None, profile: Profile = "embedded") -> AsyncIterator[tuple[Stage, System]]:
    """A fresh system in a fresh folder with a webhook receiver beside it; everything is gone afterwards.

    `console` shows the progress; None shows none.
    """
    directory = _folder()
    receiver = Receiver()
    await receiver.start()
    try:
        endpoints = endpoints_file(receiver, directory)
        async with running_system(profile, directory, console=console, endpoints_file=endpoints) as system:
            yield Stage(receiver), system
    finally:
        await receiver.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _folder() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="samtykkebro-demo-"))
    directory.chmod(0o711)  # as root, PostgreSQL runs as another user; what is secret inside is closed by itself
    return directory


async def run(console: Console, profile: Profile = "embedded", *, verbose: bool = False) -> Report:
    """Set up, play, and report; steps are printed as they happen."""
    started = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        with contextlib.nullcontext() if verbose else console.status("starting PostgreSQL and the three services …"):
            stage, system = await stack.enter_async_context(set_up(console if verbose else None, profile))
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=15))
        setup_seconds = round(time.monotonic() - started, 2)
        print_opening(console, setup_seconds)
        stage.begin(lambda number, step: print_step(console, number, step, verbose=verbose))
        report = await play(stage, system, http)
        report.setup_seconds = setup_seconds
        return report


def demo(
    json: Annotated[bool, typer.Option("--json", help="print one JSON document instead of the story")] = False,
    distributed: Annotated[bool, typer.Option(help="every role its own process, over Kafka")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="also what happened, why, and every check")] = False,
) -> None:
    """Play the main job end to end on real parts, and check the promises on the way. Exit 1 if one is broken."""
    console = Console(stderr=json, highlight=False)
    try:
        report = asyncio.run(run(console, "distributed" if distributed else "embedded", verbose=verbose))
    except (StoryError, UnexpectedAnswerError, StartError, LocalPartError, httpx2.TransportError) as error:
        console.print(f"[bold red]the story could not be told:[/] {type(error).__name__}: {error}", markup=True)
        raise typer.Exit(1) from error
    if json:
        sys.stdout.write(orjson.dumps(report.document(), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        print_promises(console, report, verbose=verbose)
    raise typer.Exit(0 if report.kept else 1)
