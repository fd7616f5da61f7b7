"""What the demo says: a story of steps, a table of promises, and what it did not look at."""

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
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


def print_step(console: Console, number: int, step: Step) -> None:
    """One step as a short paragraph: what happened, who could see what, and why."""
    body = f"{step.happened}\n[dim]Who could see what:[/] {step.who}\n[dim]Why:[/] {step.why}"
    console.print(Panel(body, title=f"{number}. {step.title}", title_align="left", subtitle=f"{step.seconds:.1f} s"))


def print_promises(console: Console, report: Report) -> None:
    """The table of what this run checked, then what it did not."""
    table = Table(title="What this run checked", title_justify="left", show_lines=True)
    table.add_column("", no_wrap=True)
    table.add_column("promise", max_width=17)
    table.add_column("kept", no_wrap=True)
    table.add_column("how it was checked in this run", ratio=1)
    for row in report.promises:
        table.add_row(row.id, row.promise, "[green]yes[/]" if row.kept else "[bold red]NO[/]", row.how)
    console.print(table)
    for gap in report.not_yet:
        console.print(f"[yellow]not yet[/] {gap['id']} {gap['what']}")
    verdict = "[green]every promise checked was kept[/]" if report.kept else "[bold red]a promise was broken[/]"
    console.print(f"{verdict}: {report.seconds:.1f} s for the story, {report.setup_seconds:.1f} s to start the system")
