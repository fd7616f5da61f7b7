"""What holds of every address of consent: writes have a key, lists have pages, changes by staff name what they change.

The rules are read off the OpenAPI document, so an address that is added tomorrow is held to them too. What is exempt
stands here by name with its reason, and an exemption that nothing needs any more fails.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from openapi.applications import applications
from tests.consent.world import issuer
from tests.consent.world.door import Citizen, Door
from tests.consent.world.people import adult

PROBLEM = "application/problem+json"
FENCE = "the caller's own ids are the key (docs/fence.md)"
READ = "a read: what is asked must not stand in an address"
OWN_ID = "the id in the path is the key: what was done once stays done"

NO_KEY = {
    "/access/v1/evaluation": READ,
    "/access/v1/evaluations": READ,
    "/access/v1/search/action": READ,
    "/access/v1/search/resource": READ,
    "/access/v1/search/subject": READ,
    "/v1/arrivals": READ,
    "/v1/case-events:parked": READ,
    "/v1/permits:preview": READ,
    "/v1/citizens:resolve": READ,
    "/v1/admin/catalogue:lint": READ,
    "/v1/permits:acquire": FENCE,
    "/v1/permits:settle": FENCE,
    "/v1/holders": FENCE,
    "/v1/holders/{holder_id}:dead": FENCE,
    "/v1/citizens/{borger_id}/restrictions/{restriction_id}:announce-lifting": OWN_ID,
    "/v1/citizens/{borger_id}/notices/{notice_id}:seen": OWN_ID,
    "/v1/notices/{notice_id}:seen": OWN_ID,
    "/v1/alarms/{alarm_id}:acknowledge": OWN_ID,
    "/v1/me/access-tokens": "nothing is stored; each token is its own",
}
NO_PAGES = {
    "/v1/citizens/{borger_id}/authorities": "as many as may act for one person, which the rules keep to a few",
}
# A citizen's no is never made harder (R7); and an end is never a lost update: whoever comes second finds it ended.
NO_PRECONDITION = {
    "/v1/holders/{holder_id}:dead": "a death is final whatever was known before it",
    "/v1/authorities/{authority_id}:end": "ends an authority whatever it says: nobody may be kept from it",
    "/v1/notices/{notice_id}:seen": "nothing that was there is changed",
    "/v1/alarms/{alarm_id}:acknowledge": "once: who comes second is told who was first",
    "/v1/other-bases/{basis_id}:end": "ends it whatever it says: a disclosure must never go on for want of a tag",
    "/v1/emergencies/{basis_id}:review": "once: another outcome than the first is a 409",
}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    spec: Mapping[str, Any]
    schemas: Mapping[str, Any]

    def parameter(self, name: str) -> Mapping[str, Any] | None:
        found = (item for item in self.spec.get("parameters", ()) if item["name"].lower() == name.lower())
        return next(found, None)

    @property
    def answers(self) -> Mapping[str, Any]:
        """The schema of the answer when all is well, its reference followed."""
        for status in ("200", "201"):
            content = self.spec["responses"].get(status, {}).get("content", {}).get("application/json", {})
            schema: Mapping[str, Any] = content.get("schema", {})
            if schema:
                return self.schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return {}

    @property
    def is_list(self) -> bool:
        """An array, or an object that is nothing but one and the way to the next page."""
        fields = self.answers.get("properties", {})
        return self.answers.get("type") == "array" or "next" in fields or set(fields) == {"items"}


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the published document."""
    document = applications()["consent"].openapi()
    schemas = document["components"]["schemas"]
    return tuple(
        Operation(method.upper(), path, spec, schemas)
        for path, methods in sorted(document["paths"].items())
        for method, spec in methods.items()
    )


WRITES = [item for item in operations() if item.method != "GET"]
# A change of what is there already: by another method than POST, or by an act on something named.
CHANGES = [item for item in WRITES if item.method != "POST" or re.search(r"\{[a-z_]+\}:[a-z-]+$", item.path)]
LISTS = [item for item in operations() if item.method == "GET" and item.is_list]
ELSEWHERE = ("/access/", "/.well-known/", "/health/")
BY_CITIZENS = "/v1/citizens/{borger_id}/"


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", WRITES, ids=named)
def test_a_write_takes_an_idempotency_key(operation: Operation):
    assert (operation.parameter("Idempotency-Key") is not None) is (operation.path not in NO_KEY)


@pytest.mark.parametrize("operation", WRITES, ids=named)
def test_a_write_is_never_behind_a_get_and_a_key_is_required_where_nothing_is_ended(operation: Operation):
    """A withdrawal without a key is a withdrawal; a grant without one could become two."""
    key = operation.parameter("Idempotency-Key")
    optional = operation.path.endswith((":withdraw", ":end", ":lift", ":decline", "/refusals", "/restrictions"))
    assert key is None or key["required"] is not optional


@pytest.mark.parametrize("operation", CHANGES, ids=named)
def test_a_change_by_staff_names_what_it_changes_and_a_citizens_own_is_not_made_harder(operation: Operation):
    exempt = operation.path in NO_PRECONDITION or operation.path.startswith(BY_CITIZENS)
    assert (operation.parameter("If-Match") is not None) is not exempt


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_a_list_has_pages(operation: Operation):
    paged = operation.parameter("limit") is not None and operation.parameter("cursor") is not None
    assert paged is (operation.path not in NO_PAGES)
    assert not paged or "next" in operation.answers["properties"]
    assert operation.parameter("offset") is operation.parameter("page") is None


@pytest.mark.parametrize("operation", [item for item in LISTS if item.path not in NO_PAGES], ids=named)
def test_a_page_has_a_limit_that_is_a_limit(operation: Operation):
    limit = operation.parameter("limit")
    assert limit is not None
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (1, 200, 50)


@pytest.mark.parametrize(("exempt", "among"), [(NO_KEY, WRITES), (NO_PRECONDITION, CHANGES), (NO_PAGES, LISTS)])
def test_nothing_is_exempt_that_is_not_there(exempt: Mapping[str, str], among: list[Operation]):
    assert set(exempt) <= {item.path for item in among}


@pytest.mark.parametrize("operation", operations(), ids=named)
def test_every_error_is_documented_as_a_problem(operation: Operation):
    errors = {status: answer for status, answer in operation.spec["responses"].items() if status >= "4"}
    assert {"404", "422", "503"} <= set(errors)
    assert ({"401", "403"} <= set(errors)) is ("security" in operation.spec)
    if operation.path.startswith(ELSEWHERE):
        return  # their form is AuthZEN's, or an orchestrator's; tests of their own hold them to it
    assert all(set(answer["content"]) == {PROBLEM} for answer in errors.values())


ROLES = ("citizen", "employee", "source_system", "dpo", "admin", "advis", "supervisor", "operator", "service")


async def answers_to(door: Door, operation: Operation, peter: Citizen, **options: Any) -> list[httpx2.Response]:
    """What each kind of caller is answered."""
    path = operation.path
    for name in re.findall(r"\{([a-z_]+)\}", path):
        path = path.replace(f"{{{name}}}", str(peter.borger_id if name == "borger_id" else uuid4()))
    headers = {"Idempotency-Key": uuid4().hex, "If-Match": "*", "Content-Type": "application/json"}
    tokens = [None, peter.token, *(issuer.token(role) for role in ROLES)]
    return [await door.call(operation.method, path, token, headers=headers, **options) for token in tokens]


async def test_what_cannot_be_read_is_answered_with_a_problem_that_repeats_nothing(door: Door):
    """To nobody, to a citizen and to every role: no body of an error is anything but RFC 9457."""
    peter, number = await door.citizen(), adult()
    broken_off = f'{{"cpr": {number}, '.encode()
    for operation in WRITES:
        if operation.path.startswith("/access/"):
            continue
        for answer in await answers_to(door, operation, peter, content=broken_off):
            if answer.status_code < 400:
                assert "requestBody" not in operation.spec, named(operation)
                continue
            assert answer.headers["content-type"] == PROBLEM, named(operation)
            document = answer.json()
            assert {"type", "title", "status"} <= set(document)
            assert document["status"] == answer.status_code != 500
            assert number not in answer.text


async def test_without_a_key_nothing_is_written_that_could_become_two(door: Door):
    peter = await door.citizen()
    answer = await door.call(
        "POST", f"/v1/citizens/{peter.borger_id}/consents", peter.token, json=await door.body(), headers={}
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"].lower()) == (422, "idempotency-key")
    assert await door.rows("SELECT 1 FROM consent") == []


async def test_a_cursor_that_is_not_ours_is_refused_and_one_of_ours_goes_on_where_the_page_ended(door: Door):
    peter = await door.citizen()
    for unit in ("SOF-BCV", "SOF-BCH", "SOF-RUSMIDDEL"):
        await door.grant(peter, recipient_unit=unit)
    for name in ("consents", "receipts"):
        path = f"/v1/citizens/{peter.borger_id}/{name}"
        refused = await door.call("GET", f"{path}?cursor=bm90IG91cnM", peter.token)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")
        seen: list[Any] = []
        following = f"{path}?limit=2"
        while following:
            page = (await door.call("GET", following, peter.token)).json()
            seen += [json.dumps(item) for item in page["items"]]
            following = f"{path}?limit=2&cursor={page['next']}" if page["next"] else ""
        assert len(seen) == len(set(seen)) == 3
