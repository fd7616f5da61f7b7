"""What the demo says: a story of steps, a table of promises, and what it did not look at."""

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

PROMISES = {
    "P1": "Withdrawal is a fence",
    "P2": "No consent, no trace",
    "P3": "Exactly one advis",
    "P4": "Every use is on the record",
    "P5": "Every act has a receipt",
    "P6": "Limits hold when deciding",
    "P7": "Consent is specific",
    "P8": "The trail proves itself",
    "P9": "It fails closed",
    "P10": "Personal numbers stay at the edge",
}


@dataclass(frozen=True)
class Step:
    """One thing that happened. `who`: who could see what. `seconds` since the story began, when it was done."""

    title: str
    happened: str
    who: str
    why: str
    seconds: float


@dataclass(frozen=True)
class Promise:
    """One row of the table: `how` names the check that was made in this run."""

    id: str
    promise: str
    kept: bool
    how: str


@dataclass
class Report:
    """The whole run. `not_yet` names promises, or parts of them, that this run did not check."""

    seconds: float = 0.0
    setup_seconds: float = 0.0
    story: list[Step] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    not_yet: list[dict[str, str]] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether every promise that was checked held; an empty table keeps nothing."""
        return bool(self.promises) and all(row.kept for row in self.promises)

    def document(self) -> dict[str, Any]:
        """The run as one JSON document: seconds, setup_seconds, kept, story, promises, not_yet."""
        return asdict(self) | {"kept": self.kept}


LEGEND = (
    "BIF is the employment administration and SOF the social administration of one municipality. An advis is a short"
    " notice to a caseworker that something happened. A CPR number is the Danish personal number, the DPO the data"
    " protection officer. HTTP 200 is *done*, 503 *not available now*. P1 to P10 are the promises of the system;"
    " docs/rules.md and docs/glossary.md explain every number and word."
)


def print_opening(console: Console, setup_seconds: float) -> None:
    """What a reader needs before the story. `setup_seconds`: how long the system took to start."""
    console.print(f"started PostgreSQL, the sign-in and the three services in {setup_seconds:.1f} s")
    console.print(f"[dim]{LEGEND}[/]")


def print_step(console: Console, number: int, step: Step, *, verbose: bool = False) -> None:
    """One step: its title, when it was done, and who was told; with `verbose` also what happened and why."""
    if not verbose:
        console.print(f"[bold]{number}. {step.title}[/] [dim]{step.seconds:.1f} s[/]")
        console.print(Padding(f"Told: {step.who}", (0, 0, 0, 3), expand=False))
        return
    body = f"{step.happened}\n[dim]Told:[/] {step.who}\n[dim]Why:[/] {step.why}"
    console.print(Panel(body, title=f"{number}. {step.title}", title_align="left", subtitle=f"{step.seconds:.1f} s"))


def print_promises(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Each promise that this run checked and how, then what it did not check, then the verdict.

    Without `verbose`, the first check of a promise stands for all of them; what was broken is always said in full.
    """
    if verbose:
        console.print(_table(report))
        for gap in report.not_yet:
            console.print(f"[yellow]not in this run:[/] {gap['id']} {gap['what']}")
    else:
        _print_lines(console, report)
    verdict = "[green]every promise checked was kept[/]" if report.kept else "[bold red]a promise was broken[/]"
    console.print(f"{verdict}: {report.seconds:.1f} s for the story, {report.setup_seconds:.1f} s to start the system")


def _print_lines(console: Console, report: Report) -> None:
    for row in report.promises:
        mark = "[green]kept[/]  " if row.kept else "[bold red]BROKEN[/]"
        how = row.how.partition("; ")[0] if row.kept else row.how
        console.print(f"{mark} {row.id} {row.promise}")
        console.print(Padding(f"[dim]{how}[/]", (0, 0, 0, 7), expand=False))
    parts = ", ".join(sorted({gap["id"] for gap in report.not_yet}))
    if parts:
        console.print(f"[dim]parts of {parts} are checked by the tests alone: --verbose says which[/]")


def _table(report: Report) -> Table:
    table = Table(title="What this run checked", title_justify="left", show_lines=True)
    table.add_column("", no_wrap=True)
    table.add_column("promise", max_width=17)
    table.add_column("kept", no_wrap=True)
    table.add_column("how it was checked in this run", ratio=1)
    for row in report.promises:
        table.add_row(row.id, row.promise, "[green]yes[/]" if row.kept else "[bold red]NO[/]", row.how)
    return table
