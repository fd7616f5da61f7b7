"""What every actor asked for and what came of it, as JSON lines on one monotonic clock."""

import json
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class History:
    """Kept in memory for the checker and in a file for people. `t` is CLOCK_MONOTONIC in nanoseconds."""

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def note(self, actor: str, op: str, phase: str, **fields: Any) -> int:
        """Write one line now; `phase` is invoke, ok, fail or info. Gives its time."""
        at = time.monotonic_ns()
        line: Line = {"t": at, "actor": actor, "op": op, "phase": phase, **fields}
        self.lines.append(line)
        self._file.write(json.dumps(line, default=str, separators=(",", ":")) + "\n")
        return at

    def count(self, op: str, phase: str = "ok") -> int:
        """How many such lines."""
        return sum(line["op"] == op and line["phase"] == phase for line in self.lines)

    def close(self) -> None:
        """No line is written after this."""
        self._file.close()
