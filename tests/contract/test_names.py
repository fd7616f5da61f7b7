"""What a document calls its operations, which is what every client made from it calls its functions."""

import re

import pytest

from openapi.applications import applications
from tests.contract.doors import Operation, operations
from tests.contract.test_doors import named

SUMMARY_CHARS_MAX = 80
POINTS_ELSEWHERE = re.compile(r"\b(it|this|they|one's|I|my|mine|me)\b", re.IGNORECASE)


@pytest.mark.parametrize("service", sorted(applications()))
def test_no_two_operations_have_one_name_or_one_summary(service: str) -> None:
    mine = [operation.spec for operation in operations() if operation.service == service]
    assert len(mine) > 5
    for key in ("operationId", "summary"):
        assert len({spec[key] for spec in mine}) == len(mine), key


@pytest.mark.parametrize("operation", operations(), ids=named)
def test_an_operation_is_named_by_a_verb_and_its_object(operation: Operation) -> None:
    assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", operation.spec["operationId"])
    verb = re.match("[a-z]+", operation.spec["operationId"])
    assert verb is not None
    summary = operation.spec["summary"]
    assert summary.partition(" ")[0].lower() == verb.group(), "the summary begins with the verb of the name"
    assert " " in summary
    assert len(summary) <= SUMMARY_CHARS_MAX
    assert not summary.endswith(".")
    assert not POINTS_ELSEWHERE.search(summary), "the object is named"
