"""One line of revisions in each service: two that follow the same one leave a database that nothing can migrate."""

import re

import pytest

from tests.architecture.tree import ROOT

VERSIONS = {path.parts[-4]: path.parent for path in ROOT.glob("services/*/migrations/versions/0001_*.py")}


@pytest.mark.parametrize("service", sorted(VERSIONS))
def test_every_revision_follows_the_one_before_and_its_number_is_its_files(service: str) -> None:
    found = {}
    for path in sorted(VERSIONS[service].glob("[0-9]*.py")):
        says = dict(
            re.findall(r'^(revision|down_revision)[^=]* = (?:"(\d{4})"|None)$', path.read_text("utf-8"), re.MULTILINE)
        )
        assert says["revision"] == path.name[:4] not in found, path.name
        found[says["revision"]] = says["down_revision"]
    assert list(found.values()) == ["", *list(found)[:-1]]
