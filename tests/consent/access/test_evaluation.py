"""Evaluation and evaluations as the standard and its certification scenario ask for them, and what they must not do."""

from itertools import product
from typing import Any
from uuid import uuid4

import orjson
import pytest

from services.consent.access.requests import EVALUATIONS_MAX
from tests.consent.world.access_door import (
    ADVIS,
    GATEWAY,
    PATHS,
    action,
    ask,
    decision,
    decisions,
    question,
    resource,
    subject,
)
from tests.consent.world.door import Door
from tests.consent.world.fence_world import World

EVALUATION, EVALUATIONS, *SEARCHES = PATHS
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def peter(world: World):
    """Somebody whose job unit may tell the social unit about attendance and course, for coordination."""
    borger_id = await world.citizen()
    await world.grant(borger_id)
    return borger_id


async def test_what_a_consent_covers_is_a_yes_and_each_other_question_a_no(door: Door, peter) -> None:
    assert await decision(door, question(peter))
    others = [
        {"subject": subject("SOF-HJEMLOESE")},
        {"subject": subject("NO-SUCH-UNIT")},
        {"subject": {"type": "user", "id": "SOF-BCV"}},
        {"action": action("FAELLES_PLAN")},
        {"action": {"name": "receive"}},
        {"action": {"name": "receive", "properties": {"purpose": 1}}},
        {"action": {"name": "send", "properties": {"purpose": "KOORDINERING"}}},
        {"resource": resource(peter, "FORSOERGELSE")},
        {"resource": resource(peter, holder="BIF-KANTEN")},
        {"resource": resource(uuid4())},
        {"resource": resource("nobody")},
        {"resource": resource(str(peter).upper())},
        {"resource": {"type": "information", "id": str(peter)}},
        {"resource": {**resource(peter), "type": "record"}},
    ]
    for change in others:
        assert not await decision(door, question(peter, **change)), change


async def test_properties_of_the_resource_may_repeat_its_id_and_never_contradict_it(door: Door, peter) -> None:
    said = {"borger_id": str(peter), "holder_unit": "BIF-JOBINDSATS", "category": "FREMMOEDE"}
    assert await decision(door, question(peter, resource={**resource(peter), "properties": {**said, "owner": "x"}}))
    for name in said:
        contradicted = {**resource(peter), "properties": {**said, name: "OTHER"}}
        assert not await decision(door, question(peter, resource=contradicted)), name


async def test_context_and_unknown_fields_have_no_say(door: Door, peter) -> None:
    later = {"context": {"time": "1985-10-26T01:22-07:00"}, "foo": "bar", "futureField": {"nested": True}}
    assert await decision(door, question(peter, **later))
    assert not await decision(door, question(uuid4(), **later))


async def test_it_is_an_opinion_about_now(door: Door, world: World) -> None:
    borger_id = await world.citizen()
    assert not await decision(door, question(borger_id))
    consent = await world.grant(borger_id)
    assert [await decision(door, question(borger_id)) for _ in range(3)] == [True] * 3
    await world.withdraw(consent)
    assert not await decision(door, question(borger_id))


BROKEN: list[dict[str, Any]] = [
    {"subject": None},
    {"action": None},
    {"resource": None},
    {"subject": {"id": "SOF-BCV"}},
    {"subject": {"type": "unit"}},
    {"action": {}},
    {"action": {"name": 123}},
    {"resource": {"id": "x"}},
    {"resource": {"type": "information"}},
    {"subject": "SOF-BCV"},
    {"subject": ["SOF-BCV"]},
    {"subject": {"type": "unit", "id": 7}},
    {"resource": {"type": "information", "id": "x", "properties": "all"}},
    {"context": "now"},
]


async def test_a_broken_request_is_a_400_that_names_the_field(door: Door) -> None:
    for path, change in product([EVALUATION, EVALUATIONS], BROKEN):
        answer = await ask(door, question(uuid4(), **change), path=path)
        assert answer.status_code == 400, change
        assert answer.headers["Content-Type"] == "application/problem+json"
        (error,) = answer.json()["errors"]
        assert error["field"].split(".")[0] == next(iter(change))


async def test_a_body_that_is_no_object_of_json_is_a_400(door: Door) -> None:
    for path, content in product(PATHS, [b"", b"{", b"[]", b'"x"', b"null", b"{}", b"\xff"]):
        answer = await door.call("POST", path, GATEWAY, content=content, headers=JSON)
        assert answer.status_code == 400, (path, content)


async def test_another_content_type_is_a_415_and_parameters_are_not(door: Door, peter) -> None:
    content = orjson.dumps(question(peter))
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        headers = {} if kind is None else {"Content-Type": kind}
        assert (await door.call("POST", EVALUATION, GATEWAY, content=content, headers=headers)).status_code == 415
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert (await door.call("POST", EVALUATION, GATEWAY, content=content, headers=headers)).status_code == 200


async def test_the_callers_request_id_comes_back_with_every_kind_of_answer(door: Door) -> None:
    sent = {"X-Request-ID": "bfe9eb29 {any} text"}
    for path, (token, status) in product(PATHS, ((None, 401), (ADVIS, 403), (GATEWAY, 400))):
        answer = await ask(door, {}, token, path=path, headers=sent)
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, sent["X-Request-ID"])
    too_much = await door.call("POST", EVALUATION, GATEWAY, content=b" " * 10**6, headers={**JSON, **sent})
    assert (too_much.status_code, too_much.headers["X-Request-ID"]) == (413, sent["X-Request-ID"])
    assert "X-Request-ID" not in (await ask(door, {})).headers


async def test_the_answer_says_decision_and_nothing_else_and_is_never_stored(door: Door, peter) -> None:
    answer = await ask(door, question(peter), headers={"X-Request-ID": "r1"})
    assert answer.content == b'{"decision":true}'
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"] == "r1"


async def test_defaults_are_taken_or_replaced_whole(door: Door, peter) -> None:
    covered, other = resource(peter), resource(peter, "FORSOERGELSE")
    whole = {"subject": subject(), "action": action(), "resource": covered}
    assert await decisions(door, {**whole, "evaluations": [{}, {"resource": other}]}) == [True, False]
    assert await decisions(door, {"evaluations": [whole, {**whole, "resource": other}]}) == [True, False]
    assert await decisions(door, {**whole, "resource": other, "evaluations": [{}, {"resource": covered}]}) == [
        False,
        True,
    ]
    # Nothing is merged inside an entity: an action without its purpose does not borrow the default's.
    assert await decisions(door, {**whole, "evaluations": [{"action": {"name": "receive"}}, {}]}) == [False, True]


async def test_without_evaluations_it_answers_as_a_single_evaluation(door: Door, peter) -> None:
    for body in (question(peter), question(peter, evaluations=[])):
        answer = await ask(door, body, path=EVALUATIONS)
        assert (answer.status_code, answer.content) == (200, b'{"decision":true}')


async def test_an_incomplete_question_in_a_batch_is_itself_a_no_and_the_rest_is_answered(door: Door, peter) -> None:
    items = [{"resource": resource(peter)}, {}, {"resource": "x"}, {"resource": resource(peter), "context": 1}]
    body = {"subject": subject(), "action": action(), "evaluations": [*items, items[0]]}
    answer = (await ask(door, body, path=EVALUATIONS)).json()["evaluations"]
    assert [item["decision"] for item in answer] == [True, False, False, False, True]
    told = [item.get("context", {}).get("error", {}).get("message") for item in answer]
    assert told == [None, "resource is required", "resource must be an object", "context must be an object", None]


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        (None, [True, False, True, False]),
        ("execute_all", [True, False, True, False]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
async def test_a_call_stops_where_its_semantic_says(door: Door, peter, semantic: str | None, expected) -> None:
    yes, no = {"resource": resource(peter)}, {"resource": resource(peter, "FORSOERGELSE")}
    options = {} if semantic is None else {"options": {"evaluations_semantic": semantic, "another_option": "value"}}
    body = {"subject": subject(), "action": action(), "evaluations": [yes, no, yes, no], **options}
    answer = (await ask(door, body, path=EVALUATIONS)).json()
    assert [item["decision"] for item in answer["evaluations"]] == expected
    assert "decision" not in answer
    stopped = [item.get("context") for item in answer["evaluations"] if not item["decision"]]
    if semantic == "deny_on_first_deny":
        assert stopped == [{"code": "200", "reason": "deny_on_first_deny"}]
    else:
        assert stopped in ([], [None, None])


async def test_what_fails_counts_as_a_denial_where_a_denial_stops(door: Door, peter) -> None:
    yes = {"resource": resource(peter)}
    body = {"subject": subject(), "action": action(), "evaluations": [{}, yes, yes]}
    assert await decisions(door, {**body, "options": {"evaluations_semantic": "deny_on_first_deny"}}) == [False]
    assert await decisions(door, {**body, "options": {"evaluations_semantic": "permit_on_first_permit"}}) == [
        False,
        True,
    ]


WRONG_AS_A_WHOLE: list[dict[str, Any]] = [
    {"evaluations": {}},
    {"evaluations": "all"},
    {"options": []},
    {"options": {"evaluations_semantic": "all"}},
    {"options": {"evaluations_semantic": None}},
    {"options": {"evaluations_semantic": ["execute_all"]}},
    {"subject": "SOF-BCV"},
    {"resource": {"type": "information"}},
]


async def test_what_is_wrong_with_the_whole_call_is_a_400(door: Door) -> None:
    for change in WRONG_AS_A_WHOLE:
        body = {"subject": subject(), "action": action(), "evaluations": [{"resource": resource(uuid4())}], **change}
        assert (await ask(door, body, path=EVALUATIONS)).status_code == 400, change


async def test_a_call_has_a_limit(door: Door, peter) -> None:
    body = {"subject": subject(), "action": action(), "evaluations": [{"resource": resource(peter)}] * EVALUATIONS_MAX}
    assert await decisions(door, body) == [True] * EVALUATIONS_MAX
    body["evaluations"].append({"resource": resource(peter)})
    answer = await ask(door, body, path=EVALUATIONS)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "evaluations", "message": "must have at most 1000 items"}]


async def test_a_family_is_asked_for_with_deny_on_first_deny(door: Door, world: World) -> None:
    """What is revealed about a child and a parent is a yes only when each is: `decide_all` in the standard's words."""
    parent = await world.citizen()
    child = await world.citizen(age=8, parents=[parent])
    where = {"holder_unit": "SOF-BCH", "recipient_unit": "BIF-JOBINDSATS", "purpose": "FAMILIEINDSATS"}
    body = {
        "subject": subject("BIF-JOBINDSATS"),
        "action": action("FAMILIEINDSATS"),
        "options": {"evaluations_semantic": "deny_on_first_deny"},
        "evaluations": [
            {"resource": resource(child, "BARN_SAG", "SOF-BCH")},
            {"resource": resource(parent, "SAGSEKSISTENS", "SOF-BCH")},
        ],
    }
    await world.grant(child, categories={"BARN_SAG"}, givers=(parent,), **where)
    assert await decisions(door, body) == [True, False]
    await world.grant(parent, categories={"SAGSEKSISTENS"}, **where)
    assert await decisions(door, body) == [True, True]


async def test_where_to_ask_is_published_to_all(door: Door) -> None:
    answer = await door.call("GET", "/.well-known/authzen-configuration")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    document = answer.json()
    here = document.pop("policy_decision_point")
    assert here == "https://consent.test"
    assert document == {
        "access_evaluation_endpoint": f"{here}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{here}/access/v1/evaluations",
        "search_subject_endpoint": f"{here}/access/v1/search/subject",
        "search_resource_endpoint": f"{here}/access/v1/search/resource",
        "search_action_endpoint": f"{here}/access/v1/search/action",
    }
