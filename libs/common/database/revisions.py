"""A revision's SQL stands in a text beside it, kept as it was: no migration follows the code of today."""

import re
from pathlib import Path


def statements(script: str) -> list[str]:
    """The statements in the `.sql` beside the revision `script`, in order, without comments."""
    text = Path(script).with_suffix(".sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [statement for part in "\n".join(lines).split(";") if (statement := part.strip())]


def tables_made(script: str) -> list[str]:
    """The tables that those statements create, in order."""
    return [found[1] for one in statements(script) if (found := re.search(r"\ACREATE TABLE (\w+)", one))]


def tables_altered(script: str) -> list[str]:
    """The tables that those statements alter, in order."""
    return [found[1] for one in statements(script) if (found := re.search(r"\AALTER TABLE (\w+)", one))]
