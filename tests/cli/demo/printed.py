"""What `samtykkebro demo` prints for a report, at the width that is asked for."""

from io import StringIO
from typing import Any

from rich.console import Console

from libs.cli.demo.report import Promise, Report, Step, print_opening, print_promises, print_step

WIDTH = 80
LINES_MAX = 60


def report_of(document: dict[str, Any]) -> Report:
    """The report that `samtykkebro demo --json` wrote."""
    fields = {key: value for key, value in document.items() if key != "kept"}
    fields["story"] = [Step(**step) for step in document["story"]]
    fields["promises"] = [Promise(**row) for row in document["promises"]]
    return Report(**fields)


def printed(report: Report, *, verbose: bool = False) -> list[str]:
    """The lines, in the order in which the command prints them."""
    written = StringIO()
    console = Console(file=written, width=WIDTH, highlight=False)
    print_opening(console, report.setup_seconds)
    for number, step in enumerate(report.story, start=1):
        print_step(console, number, step, verbose=verbose)
    print_promises(console, report, verbose=verbose)
    return written.getvalue().splitlines()
