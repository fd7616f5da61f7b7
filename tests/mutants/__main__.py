"""`make mutants`: break one rule at a time in a test build, and see which proof notices, and how soon."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.mutants.catalogue import EVENTS, FENCE, MUTANTS
from tests.mutants.mutant import Invariant, Mutant, Proof
from tests.mutants.run import Caught, ProofError, check_unbroken, shared_server, try_one


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
        sound = _sound(wanted, server, console)
        tried = [
            _try(mutant, server, sound, f"{place}/{len(wanted)}", console) for place, mutant in enumerate(wanted, 1)
        ]
    seconds = time.monotonic() - began
    console.print(f"{_tally(tried)} in {seconds:.0f} s", soft_wrap=True)
    if write is not None and not only:  # a page of some of them would read as if they were all
        tests = len({node for proof in sound for node in proof.nodes})
        write.write_text(_page(tried, tests, seconds), encoding="utf-8")
    if any(item.by is None for item in tried):
        raise typer.Exit(1)


def _tally(tried: Sequence[Caught]) -> str:
    caught = sum(item.by is not None for item in tried)
    alive = [item.mutant.name for item in tried if item.by is None and not item.undecided]
    undecided = [item.mutant.name for item in tried if item.undecided]
    said = [f"{caught} of {len(tried)} caught"]
    said += [f"alive: {', '.join(alive)}"] if alive else []
    said += [f"undecided: {', '.join(undecided)}"] if undecided else []
    return "; ".join(said)


def _sound(wanted: Sequence[Mutant], server: Mapping[str, str], console: Console) -> frozenset[Proof]:
    """The proofs that pass without a break; said of each one that does not."""
    sound: set[Proof] = set()
    with console.status("every proof, without a break"):
        for checked in check_unbroken(wanted, server):
            names = f"{len(checked.proofs)} proofs" if len(checked.proofs) != 1 else str(checked.proofs[0])
            if checked.is_sound:
                sound.update(checked.proofs)
                console.print(f"pass without a break: {names} ({checked.seconds:.0f} s)", markup=False)
            else:
                console.print(f"FAILS without a break, twice: {names}\n{checked.words}", markup=False)
    return frozenset(sound)


def _try(mutant: Mutant, server: Mapping[str, str], sound: frozenset[Proof], place: str, console: Console) -> Caught:
    proofs = [proof for proof in mutant.proofs if proof in sound]
    with console.status(f"{place} {mutant.name}"):
        try:
            caught = try_one(mutant, server, proofs)
        except ProofError as error:
            caught = Caught(mutant, None, (), 0.0, str(error), undecided=True)
    if not proofs:
        caught = replace(caught, undecided=True, words="none of its proofs passes without a break")
    names = ", ".join(invariant.name for invariant in caught.invariants)
    how = f"{names} broken, by {caught.by}" if caught.by else "UNDECIDED" if caught.undecided else "LIVES"
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
    found = f"{names} | `{item.by}`" if item.by else f"**none** | **{'undecided' if item.undecided else 'alive'}**"
    return f"| {item.mutant.name} | {item.mutant.rule} | {found} | {item.seconds:.0f} |"


if __name__ == "__main__":
    typer.run(main)
