"""Reads `deploy/reference/*.yaml`, together or not at all; what contradicts itself or the linter refuses is refused."""

from pathlib import Path
from typing import Any

import yaml

from libs.common.wire.values import read_yaml
from services.consent.catalogue.entries import Catalogue
from services.consent.catalogue.form import FILE_KINDS, RawEntry, build, require_form
from services.consent.catalogue_administration.lint import lint_newest
from services.consent.model.errors import CatalogueError


def read(folder: Path) -> tuple[list[RawEntry], Catalogue]:
    """The entries and the catalogue they make. Raises CatalogueError naming file, entry and field."""
    raw = [RawEntry(kind, body) for kind in FILE_KINDS for body in _entries(folder / f"{kind}.yaml")]
    require_form(raw)
    catalogue = build(raw)
    for kind, entry, finding in lint_newest(catalogue):
        where = f"{entry.code} v{entry.version}"
        raise CatalogueError(f"{kind}.yaml", where, finding.field, f"{finding.rule}: {finding.reason}")
    return raw, catalogue


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        document = read_yaml(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CatalogueError(path.name, "file", "content", "cannot be read as YAML") from error
    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise CatalogueError(path.name, "file", "content", "must be a list of entries")
    return document
