"""`make mutants`: break one rule at a time in a test build, and see which proof notices, and how soon."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.mutants.catalogue import EVENTS, FENCE, MUTANTS
from tests.mutants.mutant import Invariant, Mutant
from tests.mutants.run import Caught, check_unbroken, shared_server, try_one


def main(
    only: Annotated[list[str] | None, typer.Option(help="a mutant's name; may be repeated")] = None,
    write: Annotated[Path | None, typer.Option(help="a Markdown page to write the table to, after a whole run")] = None,
    listed: Annotated[bool, typer.Option("--list", help="name the mutants and stop")] = False,
) -> None:
    """Try every mutant. Exit 1 when one lives on."""
    console = Console(highlight=False)
    wanted = [mutant for mutant in MUTANTS if not only or mutant.name in only]
    if listed:
        console.print("\n".join(f"{mutant.name}: {mutant.rule}" for mutant in wanted), markup=False, soft_wrap=True)
        return
    if not wanted:
        raise typer.BadParameter("there is no such mutant: see --list")
    began = time.monotonic()
    with shared_server() as server:
        unbroken = _unbroken(wanted, server, console)
        tried = [_try(mutant, server, f"{place}/{len(wanted)}", console) for place, mutant in enumerate(wanted, 1)]
    alive = [item.mutant.name for item in tried if item.by is None]
    seconds = time.monotonic() - began
    ending = f"; alive: {', '.join(alive)}" if alive else ""
    console.print(f"{len(tried) - len(alive)} of {len(tried)} caught in {seconds:.0f} s{ending}", soft_wrap=True)
    if write is not None and not only:  # a page of some of them would read as if they were all
        write.write_text(_page(tried, unbroken, seconds), encoding="utf-8")
    if alive:
        raise typer.Exit(1)


def _unbroken(wanted: Sequence[Mutant], server: Mapping[str, str], console: Console) -> int:
    total = 0
    with console.status("every proof, without a break"):
        for name, count, seconds in check_unbroken(wanted, server):
            total += count
            console.print(f"passes without a break: {count} {name} ({seconds:.0f} s)", markup=False)
    return total


def _try(mutant: Mutant, server: Mapping[str, str], place: str, console: Console) -> Caught:
    with console.status(f"{place} {mutant.name}"):
        caught = try_one(mutant, server)
    names = ", ".join(invariant.name for invariant in caught.invariants)
    how = f"{names} broken, by {caught.by}" if caught.by else "LIVES"
    console.print(f"{place} {mutant.name}: {how} ({caught.seconds:.0f} s)", markup=False, soft_wrap=True)
    if caught.by is None:
        console.print(caught.words, markup=False)
    return caught


def _page(tried: Sequence[Caught], proofs: int, seconds: float) -> str:
    caught = sum(item.by is not None for item in tried)
    today = datetime.now(UTC).date().isoformat()
    return "\n".join(
        [
            "# Mutants: each rule of the fence, broken on purpose",
            "",
            f"Written by `make mutants` on {today}: {caught} of {len(tried)} caught, in {seconds / 60:.0f} minutes.",
            "",
            "Each mutant is a copy of the code with one exact edit (`tests/mutants/`), built and run apart: the",
            f"product holds no switch for any of them. The {proofs} tests that are named were first run without a",
            "break, and passed. A mutant is caught when an assertion fails: not when a test cannot be run, and not",
            "when it takes too long, unless what is broken is that something happens in the end. Beside each stands",
            "the invariant that the failed assertion is about. Seconds are from the start of the proof to its verdict,",
            "beside a PostgreSQL that all of them share.",
            "",
            "| mutant | what is broken | invariant that caught it | proof | seconds |",
            "|---|---|---|---|---|",
            *map(_row, tried),
            "",
            "## The invariants",
            "",
            *(f"- **{invariant.name}**: {invariant.value.partition(' ')[2]}" for invariant in Invariant),
            "",
            "## The breaks that had to be among them",
            "",
            "Of any withdrawal over services and a bus:",
            "",
            *(f"- {asked}: `{name}`" for asked, name in EVENTS.items()),
            "",
            "Of this protocol ([fence.md](fence.md)):",
            "",
            *(f"- {asked}: `{name}`" for asked, name in FENCE.items()),
            "",
        ]
    )


def _row(item: Caught) -> str:
    names = ", ".join(invariant.name for invariant in item.invariants)
    found = f"{names} | `{item.by}`" if item.by else "**none** | **alive**"
    return f"| {item.mutant.name} | {item.mutant.rule} | {found} | {item.seconds:.0f} |"


if __name__ == "__main__":
    typer.run(main)
