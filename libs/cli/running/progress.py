"""What a person sees while the system starts: one line a step, with the time it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Prints to `console`; None prints nothing."""

    def __init__(self, console: Console | None) -> None:
        self._console = console or Console(quiet=True)
        self._began = time.monotonic()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A spinner while the block runs, then a line that it is done."""
        began = time.monotonic()
        with self._console.status(f"starting {name} …"):
            yield
        self.done(name, time.monotonic() - began)

    def done(self, name: str, seconds: float | None = None) -> None:
        """A line that `name` is ready; without `seconds`, the time since the beginning."""
        took = time.monotonic() - self._began if seconds is None else seconds
        self._console.print(f"[green]✓[/] {name} [dim]{took:.1f} s[/]")
