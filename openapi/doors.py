"""The page of the doors: everything that comes in, what judges it and which test sends what must not come in."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from openapi.door_cells import Cell, cells
from openapi.door_files import READINGS
from openapi.door_forms import FORMS, form_of, test_of

HEAD = """# Doors

Every place where something comes in from outside, and every field of it, read off the code by `make specifications`.
A field whose form the code does not say, a topic without a shape, a command's argument without a hostile value, and a
module that parses and is not named here each fail a test (`tests/doors/`). What each form is, and why, is in
[formats.md](formats.md); what becomes of a record that is refused, in [dead-letters.md](dead-letters.md).
"""
SECTIONS = (
    ("HTTP", ("path", "query", "header", "body")),
    ("The bus", ("data",)),
    ("Tokens", ("claim",)),
    ("The command line", ("argument", "option")),
)


def page() -> str:
    """The whole page in Markdown."""
    parts = [HEAD, _forms(), *(_section(title, places) for title, places in SECTIONS), _files()]
    return "\n".join(parts)


def _forms() -> str:
    rows = (f"| {form.name} | `{form.check}` |" for form in FORMS)
    return _table("Forms", "| form | what judges it |", rows)


def _section(title: str, places: Iterable[str]) -> str:
    here = [cell for cell in cells() if cell.place in places]
    rows = (_row(door, list(fields)) for door, fields in groupby(here, lambda cell: cell.door))
    return _table(title, "| door | fields, each with its form | test |", rows)


def _row(door: str, fields: list[Cell]) -> str:
    by_form: dict[str, list[str]] = {}
    for cell in fields:
        form = form_of(cell)
        by_form.setdefault("**none**" if form is None else form.name, []).append(cell.field or "the body")
    shown = "; ".join(f"{form}: {', '.join(dict.fromkeys(names))}" for form, names in by_form.items())
    return f"| `{door}` | {shown} | `{test_of(fields[0])}` |"


def _files() -> str:
    rows = (f"| `{module}` | {reading.what} | `{reading.test}` |" for module, reading in READINGS.items())
    return _table("Files and bytes", "| module | what it reads | test |", rows)


def _table(title: str, heading: str, rows: Iterable[str]) -> str:
    return "\n".join(_lines(title, heading, rows))


def _lines(title: str, heading: str, rows: Iterable[str]) -> Iterator[str]:
    yield from (f"## {title}", "", heading, "|" + "---|" * (heading.count("|") - 1), *rows, "")
