"""The ingestion door: each event once on its way to the bus, nothing personal, and nothing half accepted."""

import asyncio
import copy
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jsonschema
import orjson
import pytest

from libs.common.bus.port import unpack_headers
from libs.common.wire.messages import CaseEventData
from tests import hostile
from tests.advis.world.examples import CASEWORKER, RECIPIENT
from tests.advis.world.reading import audit_entries, rows, value
from tests.advis.world.serving import SOURCE

BATCH = "application/cloudevents-batch+json"
CANARY = "91" + "0290" + "1234"  # 31 February, 60 added: nobody's


def texts(packed: bytes) -> dict[str, str]:
    """The headers of an outbox row, as text."""
    return {name: (content or b"").decode() for name, content in unpack_headers(packed)}


def document(**changes) -> dict:
    said = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "urn:test:domus",
        "type": "sof.rusmiddel.opstartet",
        "subject": str(uuid4()),
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {"unit": "SOF-RUSMIDDEL", "case_reference": "SOF-26-7"},
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


async def on_the_way(advis) -> list:
    query = "SELECT key, headers, payload FROM outbox WHERE topic = 'case.events.http' ORDER BY id"
    return await rows(advis.resources.database, query)


async def test_an_event_is_accepted_and_on_its_way_keyed_by_the_citizen(advis):
    one = document()
    answer = await advis.ingest(one)
    assert (answer.status_code, answer.json()) == (202, {"accepted": [one["id"]]})
    (row,) = await on_the_way(advis)
    headers = texts(row.headers)
    assert (row.key, headers["ce_subject"], headers["ce_partitionkey"]) == (one["subject"],) * 3
    assert (headers["ce_type"], headers["ce_id"], headers["ce_source"]) == (one["type"], one["id"], one["source"])
    assert headers["ce_correlationid"] == answer.headers["x-correlation-id"]
    assert orjson.loads(bytes(row.payload)) == one["data"]
    (entry,) = await audit_entries(advis.resources.database, "event.ingested")
    assert (entry["subject"], entry["actor"]) == (one["subject"], "source-system")


async def test_repeating_an_event_changes_nothing_and_answers_the_same(advis):
    one = document()
    answers = await asyncio.gather(*(advis.ingest(one) for _ in range(5)))
    again = await advis.ingest({**one, "correlationid": str(uuid4())})
    assert {(answer.status_code, answer.content) for answer in [*answers, again]} == {
        (202, orjson.dumps({"accepted": [one["id"]]}))
    }
    assert len(await on_the_way(advis)) == 1


@pytest.mark.parametrize(
    "change", [{"type": "sof.rusmiddel.afbrudt"}, {"subject": str(uuid4())}, {"data": {"unit": "SOF-BCV"}}]
)
async def test_the_same_id_for_something_else_is_a_conflict(change, advis):
    one = document()
    await advis.ingest(one)
    assert (await advis.ingest(one | change)).status_code == 409
    assert len(await on_the_way(advis)) == 1
    assert (await advis.ingest(one | change | {"source": "urn:test:fasit"})).status_code == 202


async def test_a_batch_is_taken_whole_or_not_at_all(advis):
    batch = [document() for _ in range(100)]
    answer = await advis.ingest(batch, BATCH)
    assert (answer.status_code, answer.json()["accepted"]) == (202, [one["id"] for one in batch])
    bad = [document(), document(type="sof.ukendt"), document()]
    refused = await advis.ingest(bad, BATCH)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "1.type")
    assert len(await on_the_way(advis)) == 100


async def test_one_id_twice_in_a_batch_counts_once_unless_it_contradicts_itself(advis):
    one = document()
    assert (await advis.ingest([one, one], BATCH)).json() == {"accepted": [one["id"], one["id"]]}
    assert len(await on_the_way(advis)) == 1
    two = document()
    assert (await advis.ingest([two, two | {"subject": str(uuid4())}], BATCH)).status_code == 409
    assert len(await on_the_way(advis)) == 1


@pytest.mark.parametrize("size", [0, 101])
async def test_a_batch_has_a_size(size, advis):
    small = [document(data={"unit": "SOF-BCV"}) for _ in range(size)]
    assert (await advis.ingest(small, BATCH)).status_code == 422


async def test_an_unknown_type_is_refused_with_the_known_ones(advis):
    answer = await advis.ingest(document(type="sof.hjaelpemiddel.bevilget"))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, "type")
    assert "sof.rusmiddel.opstartet" in error["known"]
    assert "hjaelpemiddel" not in answer.text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": None}, "id"),
        ({"id": "x" * 101}, "id"),
        *(({"id": bad.format(CANARY)}, "id") for bad in ("{}", "sag-{}", "evt{}", "x{}y", "{}\n", "1\n", "\u202e1")),
        ({"id": f"{CANARY[:2]}-{CANARY[2:4]}-{CANARY[4:6]}-{CANARY[6:]}"}, "id"),
        *(({"source": bad.format(CANARY)}, "source") for bad in ("urn:cpr:{}", "urn:kk:fasit:person{}", "urn:kk:s\n")),
        ({"source": "has spaces"}, "source"),
        ({"specversion": "0.3"}, "specversion"),
        ({"time": None}, "time"),
        ({"time": "yesterday"}, "time"),
        pytest.param({"time": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}, "time", id="an hour ahead"),
        ({"subject": None}, "subject"),
        ({"subject": CANARY}, "subject"),
        ({"datacontenttype": "text/plain"}, "datacontenttype"),
        ({"navn": "Hans Hansen"}, "attribute"),
        ({"data": None}, "data"),
        ({"data": []}, "data"),
        ({"data": {}}, "data.unit"),
        ({"data": {"unit": "sof rusmiddel"}}, "data.unit"),
        ({"data": {"unit": "SOF-RUSMIDDEL", "case_reference": "Hansens sag"}}, "data.case_reference"),
        ({"data": {"unit": "SOF-RUSMIDDEL", "note": "Hans Hansen"}}, "data"),
        ({"type": "sof.sag.aabnet", "data": {"unit": "SOF-RUSMIDDEL"}}, "data.case_reference"),
        (
            {"type": "sof.sag.aabnet", "data": {"unit": "SOF-RUSMIDDEL", "case_reference": "SOF-26-1"}},
            "data.caseworker",
        ),
    ],
    ids=str,
)
async def test_what_is_wrong_is_named_and_never_repeated(change, field, advis):
    answer = await advis.ingest(document(**change))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    for secret in (CANARY, "Hansen"):
        assert secret not in answer.text
    assert await on_the_way(advis) == []
    assert await value(advis.resources.database, "SELECT count(*) FROM ingested") == 0


async def test_only_a_source_system_may_hand_in(advis):
    headers = {"content-type": "application/cloudevents+json"}
    for roles in (("caseworker",), ("recipient_system",), ("administrator",)):
        answer = await advis.post("/v1/case-events", CASEWORKER, RECIPIENT, roles, json=document(), headers=headers)
        assert answer.status_code == 403
    assert (await advis.http.post("/v1/case-events", json=document(), headers=headers)).status_code == 401
    assert await on_the_way(advis) == []


async def test_another_media_type_and_broken_json_are_refused(advis):
    refused = await advis.ingest(document(), "application/json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (415, "Content-Type")
    who = ("source-system", None, ("source_system",))
    headers = {"content-type": "application/cloudevents+json"}
    broken = await advis.post("/v1/case-events", *who, content=b"{", headers=headers)
    assert (broken.status_code, broken.json()["errors"][0]["field"]) == (422, "body")


async def test_a_body_beyond_the_limit_is_refused(advis):
    assert (await advis.ingest(document(data={"unit": "X", "note": "x" * 70_000}))).status_code == 413


@pytest.mark.parametrize(
    ("data", "valid"),
    [
        ({"unit": "SOF-RUSMIDDEL"}, True),
        ({"unit": "SOF-RUSMIDDEL", "case_reference": "SOF-26-7", "caseworker": "sof101"}, True),
        ({"unit": "SOF-RUSMIDDEL", "custody_holders": [str(uuid4())]}, True),
        ({"unit": "sof"}, False),
        ({"unit": "SOF-RUSMIDDEL", "caseworker": "Hans Hansen"}, False),
        ({"unit": "SOF-RUSMIDDEL", "custody_holders": ["Hansen"]}, False),
        ({"unit": 7}, False),
    ],
)
async def test_the_door_and_the_published_schema_say_the_same(data, valid, advis):
    schema = copy.deepcopy(CaseEventData.model_json_schema())
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker(["uuid"]))
    assert checker.is_valid(data) is valid
    assert ((await advis.ingest(document(data=data))).status_code == 202) is valid


@pytest.mark.parametrize("given", ["abcdefgh\n", f"ref{CANARY}", "another-correlation"])
async def test_a_correlation_id_that_could_say_something_is_replaced_on_the_bus_and_in_the_record(advis, given: str):
    answer = await advis.ingest(document(correlationid=given))
    assert answer.status_code == 202
    (row,) = await rows(advis.resources.database, "SELECT headers, payload FROM outbox WHERE topic LIKE 'case.events%'")
    assert UUID(texts(row.headers)["ce_correlationid"])
    everything = await rows(
        advis.resources.database, "SELECT encode(headers, 'escape') || encode(payload, 'escape') AS whole FROM outbox"
    )
    assert all(CANARY not in one.whole and given.strip() not in one.whole for one in everything)


async def test_a_moment_outside_its_form_or_its_window_is_refused_by_name_and_nothing_is_on_the_way(advis):
    outside = (*hostile.MOMENTS, "1999-12-31T23:59:59Z", "2199-12-31T23:59:59Z")
    for moment in [one for one in outside if "\x00" not in str(one)]:
        answer = await advis.ingest(document(time=moment))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "time"), moment
    lower = datetime.now(UTC).isoformat().replace("+00:00", "z").replace("T", "t")
    assert (await advis.ingest(document(time=lower))).status_code == 202
    assert len(await on_the_way(advis)) == 1


async def test_a_body_that_means_two_things_or_cannot_be_written_again_is_refused(advis):
    said = orjson.dumps(document())
    bodies = [
        said.replace(b'"unit":', b'"unit":"SOF-BCV","unit":'),
        said.replace(b'"data":{', b'"data":{"deep":' + hostile.NESTED + b","),
        said.replace(b'"unit":', b'"note":"a\\u0000b","unit":'),
        said.replace(b'"id":', b'"id":"sag-1","id":'),
    ]
    for body in bodies:
        assert body != said
        headers = {"content-type": "application/cloudevents+json"}
        answer = await advis.post("/v1/case-events", *SOURCE, content=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body")
    assert not await on_the_way(advis)
