"""The administrator's API keeps its shape: addresses, what is required, and the fields of every answer."""

from typing import Any

from pydantic import TypeAdapter

from services.consent.catalogue_administration.api import router
from services.consent.catalogue_administration.schemas import AdminEntryView, LintView, NewVersion, VersionView

ADDRESSES = {
    ("GET", "/v1/admin/catalogue/{kind}"),
    ("GET", "/v1/admin/catalogue/{kind}/{code}"),
    ("POST", "/v1/admin/catalogue/{kind}/{code}/versions"),
    ("PUT", "/v1/admin/catalogue/{kind}/{code}/versions/{version}"),
    ("POST", "/v1/admin/catalogue/{kind}/{code}/versions/{version}:take-back"),
    ("POST", "/v1/admin/catalogue/{kind}/{code}:close"),
    ("POST", "/v1/admin/catalogue:lint"),
}
ANSWERS: dict[type[Any], set[str]] = {
    AdminEntryView: {"kind", "code", "versions"},
    LintView: {"findings", "readability", "lix_max"},
    VersionView: {
        *("version", "status", "valid_from", "valid_to", "origin", "label", "content", "readability"),
    },
}
KINDS = {
    "units",
    "categories",
    "legal_bases",
    "purposes",
    "texts",
    "event_types",
    "policies",
    "unit_mappings",
    "sources",
}


def test_the_addresses_are_what_they_were() -> None:
    found = {(method, route.path) for route in router.routes for method in route.methods}  # type: ignore[attr-defined]
    assert found >= ADDRESSES


def test_the_answers_have_every_field_that_they_had() -> None:
    for model, fields in ANSWERS.items():
        assert set(model.model_fields) >= fields


def test_a_version_is_told_apart_by_its_kind_and_refuses_what_it_does_not_know() -> None:
    schema = TypeAdapter(NewVersion).json_schema()
    assert set(schema["discriminator"]["mapping"]) == KINDS
    for name, definition in schema["$defs"].items():
        if name.endswith("Version"):
            assert definition["additionalProperties"] is False
            assert {"kind", "valid_from", "label", "source"} <= set(definition["required"]), name
