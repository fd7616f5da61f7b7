"""`python -m tests.faults`: break the whole system on purpose and decide what held (docs/faults.md)."""

import asyncio
import logging
import secrets
import signal
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.faults import faults, report
from tests.faults.checker import check
from tests.faults.document import PAGE, figures, put
from tests.faults.run import CALM_S, Plan, run
from tests.faults.trend import is_grown

NONE = "none"


def main(
    seed: Annotated[int | None, typer.Option(help="the same seed deals the same faults")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, max=240, help="how long faults are dealt")] = 3.0,
    only: Annotated[
        str, typer.Option(help="faults whose names begin so, with commas between; `none`: a run without")
    ] = "",
    keep: Annotated[Path | None, typer.Option(help="where to leave report, records and logs")] = None,
    calm: Annotated[float, typer.Option(min=1, help="seconds before the first fault")] = CALM_S,
    document: Annotated[bool, typer.Option("--document", help="put the figures into docs/faults.md")] = False,
    list_: Annotated[bool, typer.Option("--list", help="name every fault and end")] = False,
) -> None:
    """Exit 0 when every invariant held over something, and ten minutes without faults stayed flat; else 1."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what a fault does to our own clients is no news
    console = Console(highlight=False)
    kinds = tuple(fault for fault in faults.every() if fault.name.startswith(tuple(only.split(","))))
    if list_:
        console.print("\n".join(fault.name for fault in faults.every()))
        return
    if not kinds and only != NONE:
        raise typer.BadParameter(f"there is no fault {only!r}: see --list")
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    folder = keep or Path(tempfile.mkdtemp(prefix="samtykkebro-fault-run-"))
    console.print(f"fault run: seed {seed}, {minutes:g} minutes, {len(kinds)} kinds of faults")
    began = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us with Ctrl-C ignored
        signal.signal(number, signal.default_int_handler)
    try:
        outcome = asyncio.run(run(Plan(seed, minutes * 60, kinds, keep=folder, calm_s=calm), console))
    except KeyboardInterrupt:
        console.print("stopped; everything is cleaned up")
        raise typer.Exit(130) from None
    verdicts = check(outcome.evidence)
    report.print_verdicts(console, verdicts, outcome, seed)
    written = report.write(folder, verdicts, outcome, seed)
    if document:
        put(PAGE, figures(outcome, verdicts, _command(seed, minutes, only, calm)))
    console.print(f"{time.monotonic() - began:.0f} s; {' and '.join(map(str, written))}", soft_wrap=True)
    good = all(verdict.held for verdict in verdicts) and not outcome.problem
    leaks = only == NONE and is_grown(outcome.evidence.trends, outcome.evidence.load_s)
    raise typer.Exit(0 if good and not leaks else 1)


def _command(seed: int, minutes: float, only: str, calm: float) -> str:
    chosen = f" --only '{only}'" if only else ""
    return f"python -m tests.faults --seed {seed} --minutes {minutes:g} --calm {calm:g}{chosen} --document"


if __name__ == "__main__":
    typer.run(main)
