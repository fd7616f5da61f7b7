"""`make mutants`: break one rule at a time in a test build, and see which proof notices, and how soon."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.run import Caught, check_unbroken, try_one


def main(
    only: Annotated[list[str] | None, typer.Option(help="a mutant's name; may be repeated")] = None,
    write: Annotated[Path | None, typer.Option(help="a Markdown page to write the table to")] = None,
    listed: Annotated[bool, typer.Option("--list", help="name the mutants and stop")] = False,
) -> None:
    """Try every mutant. Exit 1 when one lives on."""
    console = Console()
    wanted = [mutant for mutant in MUTANTS if not only or mutant.name in only]
    if listed:
        for mutant in wanted:
            console.print(f"{mutant.name}: {mutant.rule}", highlight=False)
        return
    unbroken = _unbroken(wanted, console)
    tried = [_try(mutant, place, len(wanted), console) for place, mutant in enumerate(wanted, start=1)]
    alive = [item.mutant.name for item in tried if item.by is None]
    console.print(
        f"{len(tried) - len(alive)} of {len(tried)} caught" + (f"; alive: {', '.join(alive)}" if alive else "")
    )
    if write is not None:
        write.write_text(_page(tried, unbroken), encoding="utf-8")
    if alive:
        raise typer.Exit(1)


def _unbroken(wanted: list[Mutant], console: Console) -> int:
    count = 0
    with console.status("every proof, without a break"):
        for proof, seconds in check_unbroken(wanted):
            count += 1
            console.print(f"passes without a break: {proof} ({seconds:.0f} s)", highlight=False)
    return count


def _try(mutant: Mutant, place: int, total: int, console: Console) -> Caught:
    with console.status(f"{place}/{total} {mutant.name}"):
        caught = try_one(mutant)
    how = f"caught by {caught.by}" if caught.by else "[bold red]LIVES[/]"
    console.print(f"{place}/{total} {mutant.name}: {how} ({caught.seconds:.0f} s)", highlight=False)
    if caught.by is None:
        console.print(caught.words, markup=False, highlight=False)
    return caught


def _page(tried: list[Caught], proofs: int) -> str:
    rows = [
        f"| {item.mutant.rule} | {item.mutant.invariant} | {'**alive**' if item.by is None else f'`{item.by}`'} |"
        f" {item.seconds:.0f} |"
        for item in tried
    ]
    caught = sum(item.by is not None for item in tried)
    return "\n".join(
        [
            "# Mutants: each rule of the fence, broken on purpose",
            "",
            f"Written by `make mutants` on {datetime.now(UTC).date().isoformat()}: {caught} of {len(tried)} caught.",
            "",
            "Each mutant is a copy of the code with one exact edit (`tests/mutants/`), built and run apart: the product holds no",
            f"switch for any of them. The {proofs} proofs were first run without a break, and passed. A mutant counts as caught",
            "when a proof *fails*, not when it cannot run; seconds are from the proof's start, servers included, to the verdict.",
            "",
            "| what is broken | invariant | caught by | seconds |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    typer.run(main)
