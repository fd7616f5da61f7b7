"""`make bench`: measures on this machine, prints each figure beside its ceiling, and can write the page of them."""

import asyncio
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.bench import profiles
from tests.bench.decisions import Decisions
from tests.bench.figures import SUITES, Bench, Figure
from tests.bench.grants import Grants
from tests.bench.permits import Permits
from tests.bench.world import world

_MARK = {True: "yes", False: "no", None: ""}
_HEAD = ("what", "measured", "ceiling in the same run", "ratio", "goal", "met")


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(SUITES)}; may be repeated")] = None,
    seconds: Annotated[float, typer.Option(help="for each of the repeats of each figure", min=0.5, max=60)] = 2.0,
    write: Annotated[Path | None, typer.Option(help="a Markdown page to write the figures to")] = None,
) -> None:
    """Measure, and print a table. It takes about three minutes; the machine should have nothing else to do."""
    wanted = only or list(SUITES)
    console = Console()
    figures, profile, load = asyncio.run(_run(wanted, seconds, console))
    table = Table(*_HEAD, title="measured on this machine, callers, services, database and pgbench side by side")
    for figure in figures:
        table.add_row(figure.name, figure.ours, figure.ceiling, figure.ratio, figure.goal, _MARK[figure.met])
    console.print(table)
    if profile:
        console.print(profile, markup=False, highlight=False)
    if write is not None:
        write.write_text(_page(figures, profile, load, seconds), encoding="utf-8")
        console.print(f"written to {write}")


async def _run(wanted: list[str], seconds: float, console: Console) -> tuple[list[Figure], str, float]:
    load = os.getloadavg()[0]
    console.print(f"load before: {load:.2f}; PostgreSQL with fsync on, one consent process ...")
    async with world() as made:
        grants = Grants(made)
        bench = Bench(made, grants, Permits(made, grants), Decisions(made), seconds)
        if {"waits", "permits", "decisions"} & set(wanted):
            with console.status("consents of two thousand citizens"):
                await bench.permits.prepare()
        figures: list[Figure] = []
        for name in wanted:
            with console.status(name):
                async for figure in SUITES[name](bench):
                    figures.append(figure)
                    console.print(f"{figure.name}: {figure.ours}; {figure.ratio} {_MARK[figure.met]}")
        profile = await profiles.of_grant(grants) if "grants" in wanted else ""
        return figures, profile, load


def _page(figures: list[Figure], profile: str, load: float, seconds: float) -> str:
    when = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load before the run {load:.2f}"
    rows = [f"| {' | '.join([f.name, f.ours, f.ceiling, f.ratio, f.goal, _MARK[f.met]])} |" for f in figures]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f'Written by `make bench ARGS="--write docs/benchmarks.md"` on {when}:',
            f"{machine}, {seconds:g} s a repeat. Each figure has three repeats, in turn with its ceiling; the middle",
            "one is shown. Caller, service, database and pgbench share the machine. A ceiling is the same SQL,",
            "statement for statement, sent by `pgbench -M prepared`; for a decision a prepared select of the row. The",
            "goals are the project's own; where one is missed, it says so.",
            "",
            f"| {' | '.join(_HEAD)} |",
            "|" + "---|" * len(_HEAD),
            *rows,
            "",
            "## Where a grant's time goes",
            "",
            "```",
            profile,
            "```",
            "",
        ]
    )


if __name__ == "__main__":
    typer.run(main)
