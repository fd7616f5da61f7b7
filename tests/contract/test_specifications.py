"""Law 7: what is published is what the code does. Regenerate = committed; the bus document names every topic."""

import json
from datetime import UTC, datetime

import jsonschema
import pytest
import yaml
from fastapi.routing import iter_route_contexts

from libs import __version__
from libs.common.bus.cloudevents import CloudEvent, to_headers
from libs.common.bus.port import load_topics
from libs.common.http.door import Route
from libs.common.outbox.outbox import audit_message
from libs.common.wire.messages import CASE_EVENTS, DEAD_LETTER_SUFFIX, TOPICS
from openapi.applications import applications
from openapi.export import HERE, specifications
from tests.contract.examples import GOLDEN, examples


def _asyncapi() -> dict:
    return yaml.safe_load((HERE / "asyncapi.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(specifications()), ids=lambda path: path.name)
def test_regenerated_is_committed(path) -> None:
    assert path.read_text(encoding="utf-8") == specifications()[path], "run `make specifications`"


def test_one_version_is_everywhere() -> None:
    documents = [_asyncapi(), *(application.openapi() for application in applications().values())]
    assert {document["info"]["version"] for document in documents} == {__version__}
    compose = yaml.safe_load((HERE.parent / "docker-compose.yml").read_text(encoding="utf-8"))
    images = {service.get("image", "") for service in compose["services"].values()}
    assert {image for image in images if image.startswith("samtykkebro:")} == {f"samtykkebro:{__version__}"}


def test_every_topic_is_described_and_declared() -> None:
    addresses = {channel["address"] for channel in _asyncapi()["channels"].values()}
    wanted = {*TOPICS, *(topic + DEAD_LETTER_SUFFIX for topic in TOPICS)}
    any_source = {"case.events.{source}", "case.events.{source}.dead-letter"}
    assert addresses == wanted | any_source
    assert {topic.name for topic in load_topics(HERE.parent / "deploy" / "kafka" / "topics.yaml")} >= wanted


def test_every_schema_that_the_bus_document_names_exists() -> None:
    messages = _asyncapi()["components"]["messages"].values()
    named = [m["payload"]["$ref"] for m in messages if "$ref" in m["payload"]]
    assert named
    assert all((HERE / name).is_file() for name in named)


def test_the_headers_that_are_sent_are_the_headers_that_are_described() -> None:
    described = _asyncapi()["components"]["schemas"]["cloudEventHeaders"]["properties"]
    event = CloudEvent(
        id="1", source="urn:x", type="sof.rusmiddel.opstartet", time=datetime(2026, 1, 1, tzinfo=UTC), data=b"{}",
        subject="00000000-0000-4000-8000-000000000001", correlationid="c0ffee00", dataschema="urn:samtykkebro:schema:x",
    )  # fmt: skip
    assert {name for name, _ in to_headers(event)} <= set(described)


@pytest.mark.parametrize("name", sorted(examples()))
def test_a_golden_message_is_still_written_the_same_way_and_still_fits_its_schema(name) -> None:
    model = examples()[name]
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert json.loads(model.model_dump_json(exclude_none=True)) == golden
    schema = json.loads((HERE / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(golden)
    assert type(model).model_validate(golden) == model


def test_a_reader_of_today_ignores_a_field_of_tomorrow() -> None:
    model = examples()["case-event-v1"]
    assert type(model).model_validate(model.model_dump() | {"added_later": 1}) == model


@pytest.mark.parametrize("text", ["Morten Hansen", "er syg", "x" * 200, "6" + "70158-" + "5000"])
def test_no_field_of_a_case_event_takes_a_name_a_number_or_free_text(text) -> None:
    schema = json.loads((HERE / "schemas" / "case-event-v1.json").read_text(encoding="utf-8"))
    for field in ("unit", "case_reference", "caseworker"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"unit": "SOF-BCV"} | {field: text}, schema)


def test_an_entry_is_keyed_by_producer_and_lane() -> None:
    message = audit_message("consent", examples()["audit-entry-v1"])
    assert message.topic == "audit.entries"
    assert message.key.startswith("consent/")
    assert CASE_EVENTS == "case.events"


@pytest.mark.parametrize("service", sorted(applications()))
def test_every_route_reads_its_body_strictly(service) -> None:
    """A body means one thing: a route made by the framework's own router would read JSON leniently."""
    routes = [context.original_route for context in iter_route_contexts(applications()[service].routes)]
    assert len(routes) > 5
    lenient = {route.path for route in routes if not isinstance(route, Route)}
    assert lenient == {"/openapi.json"}
