"""The page of words, Danish and English: `docs/glossary.yaml`, and the reference data's codes with their labels."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from openapi.rules import ROOT

SOURCE = ROOT / "docs" / "glossary.yaml"
REFERENCE = ROOT / "deploy" / "reference"
CODES = {
    "purposes": "Purposes",
    "categories": "Categories of information",
    "legal_bases": "Legal bases",
    "units": "Units",
    "event_types": "Event types",
}
_HEAD = """# Glossary

The words of the project in English and Danish, and how they stand in code, API and bus. Made from
[glossary.yaml](glossary.yaml) and the reference data by `make specifications`. Identifiers are English; the codes of
the reference data are the municipality's own Danish ones; *advis* stays Danish. Numbers such as R28 are explained in
[rules.md](rules.md).
"""


class Word(BaseModel):
    """One word. `code`: how it is written in the code and the API."""

    model_config = ConfigDict(extra="forbid")

    en: str
    da: str
    code: tuple[str, ...]
    means: str


@cache
def words() -> dict[str, list[Word]]:
    """Every word by its section. Raises pydantic.ValidationError for one that lacks a field."""
    read = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, list[Word]]).validate_python(read)


def page() -> str:
    """docs/glossary.md."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    for title, listed in words().items():
        yield f"\n## {title}\n\n| English | Danish | code | what it means |\n|---|---|---|---|\n"
        for word in listed:
            yield f"| {word.en} | {word.da} | {', '.join(f'`{one}`' for one in word.code)} | {word.means} |\n"
    for kind, title in CODES.items():
        yield f"\n## {title}\n\n| code | Danish | English |\n|---|---|---|\n"
        for code, label in _labels(kind).items():
            yield f"| `{code}` | {label['da']} | {label['en']} |\n"


def _labels(kind: str) -> dict[str, Any]:
    """The labels by code, of the newest version of each."""
    entries = yaml.safe_load((REFERENCE / f"{kind}.yaml").read_text(encoding="utf-8"))
    return {entry["code"]: entry["label"] for entry in sorted(entries, key=lambda entry: int(entry["version"]))}
