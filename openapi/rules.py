"""The page of the rules: every rule, promise and story by its number, made from `docs/rules.yaml`."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "docs" / "rules.yaml"
_HEAD = """# Rules, promises and stories

Code, tests and docs name a rule of law or practice (R), a promise of the system (P) or a user story (U) by its number.
This page is made from [rules.yaml](rules.yaml) by `make specifications`; a test fails where a number is used and not
explained, or a file or test named here does not exist. Lines such as 000:210 are of
[the municipality's own documents](municipality.md); the words are in the [glossary](glossary.md). Nothing here is legal
advice: "our own" is a choice of ours that a municipality may change, and a jurist must confirm the rest.
"""


class Rule(BaseModel):
    """One numbered sentence, where it comes from, and where it is kept. `code`, `tests`: `path` or `path::name`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    rule: str
    source: str
    code: tuple[str, ...]
    tests: tuple[str, ...]


class Table(BaseModel):
    """`docs/rules.yaml`: the laws by the short name that a source begins with, and the rules by number."""

    model_config = ConfigDict(extra="forbid")

    laws: dict[str, str]
    rules: dict[str, Rule]
    promises: dict[str, Rule]
    stories: dict[str, Rule]

    @property
    def numbered(self) -> dict[str, Rule]:
        """Every rule, promise and story by its number."""
        return {**self.promises, **self.rules, **self.stories}


@cache
def table() -> Table:
    """The table. Raises pydantic.ValidationError for an entry that lacks a field or has one too many."""
    return Table.model_validate(yaml.safe_load(SOURCE.read_text(encoding="utf-8")))


def page() -> str:
    """docs/rules.md."""
    of = table()
    sections = {"Promises": of.promises, "Rules": of.rules, "User stories": of.stories}
    laws = "".join(f"| {name} | {title} |\n" for name, title in of.laws.items())
    return (
        _HEAD
        + "".join(f"\n## {title}\n\n{''.join(_rows(rules))}" for title, rules in sections.items())
        + f"\n## Laws and documents\n\n| short name | title and consolidation |\n|---|---|\n{laws}"
    )


def _rows(rules: Mapping[str, Rule]) -> Iterator[str]:
    yield "| | what it says | source | code | tests |\n|---|---|---|---|---|\n"
    for number, rule in rules.items():
        code = "<br>".join(map(_link, rule.code)) or "not built yet"
        tests = "<br>".join(map(_link, rule.tests))
        yield f"| {number} | **{rule.name}.** {rule.rule} | {rule.source} | {code} | {tests} |\n"


def _link(place: str) -> str:
    path, _, name = place.partition("::")
    return f"[`{name or path}`](../{path})"
