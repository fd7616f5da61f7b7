"""What every door does with a request before it reads a body: generated from all operations of the three services."""

from collections.abc import Sequence

import pytest

from libs.common.http.admission import Admission, Limits
from tests.contract.doors import Operation, ask, bearing, doors, operations

OPEN = {
    "consent GET /.well-known/authzen-configuration",
    "consent GET /.well-known/jwks.json",
    "audit GET /v1/checkpoint",
    "audit GET /v1/log-key",
    *(f"{service} GET /health/{check}" for service in ("consent", "advis", "audit") for check in ("live", "ready")),
}
GUARDED = [operation for operation in operations() if operation.name not in OPEN]
READING = [operation for operation in GUARDED if "requestBody" in operation.spec]
HOLDERS = [operation for operation in GUARDED if {"holderToken": []} in operation.spec.get("security", ())]
GARBAGE = b"{not json \xff\x00"
TYPES = ("application/json", "application/cloudevents+json", "text/plain", "multipart/form-data; boundary=x", "æ", "")


def _hostile(*headers: tuple[str, str]) -> list[tuple[str, str]]:
    return [("Content-Length", str(len(GARBAGE))), ("Idempotency-Key", "12345678"), ("If-Match", "*"), *headers]


def named(operation: Operation) -> str:
    return operation.name


def test_the_doors_that_are_open_are_these() -> None:
    """A door without a gate is one on purpose: it is written down here, and in the document it asks for nothing."""
    assert {operation.name for operation in operations() if "security" not in operation.spec} == OPEN
    assert len(READING) >= 29


@pytest.mark.parametrize("operation", GUARDED, ids=named)
async def test_without_a_token_it_is_401_and_the_body_is_never_read(operation: Operation) -> None:
    for media_type in TYPES:
        answer = await ask(operation, _hostile(("Content-Type", media_type)))
        assert (answer.status, answer.document["type"]) == (401, "urn:samtykkebro:problem:unauthenticated")
        assert not answer.read
        assert answer.headers["www-authenticate"] == 'Bearer realm="samtykkebro"'


@pytest.mark.parametrize("operation", GUARDED, ids=named)
async def test_with_a_token_that_does_not_hold_it_is_401_and_the_body_is_never_read(operation: Operation) -> None:
    for token in (("Authorization", "Bearer a.b.c"), bearing(exp=1)):
        answer = await ask(operation, _hostile(("Content-Type", "application/json"), token))
        assert (answer.status, answer.read) == (401, False)
        assert 'error="invalid_token", error_description="The ' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("operation", [item for item in GUARDED if item not in HOLDERS], ids=named)
async def test_with_another_role_it_is_403_and_the_body_is_never_read(operation: Operation) -> None:
    for media_type in TYPES:
        answer = await ask(operation, _hostile(("Content-Type", media_type), bearing(roles=["nobody"])))
        assert (answer.status, answer.read) == (403, False)
        [error] = answer.document["errors"]
        assert error["field"] == "roles"
        assert error["known"]


def caller(operation: Operation, roles: Sequence[str] = ()) -> tuple[str, str]:
    """A token with every role that any door asks for, and none that excludes another."""
    excluded = {"administrator"} if "/admin/" not in operation.path else set(ROLES) - {"administrator"}
    return bearing(roles=roles or [role for role in ROLES if role not in excluded], unit="SOF-BCV", acr="Substantial")


ROLES = (
    *("citizen", "caseworker", "bridge_builder", "citizen_service", "leader", "dpo", "auditor", "administrator"),
    *("source_system", "recipient_system", "gateway", "advis", "supervisor", "operator"),
)
BY_TOKEN = [operation for operation in READING if operation not in HOLDERS]


@pytest.mark.parametrize("operation", BY_TOKEN, ids=named)
async def test_a_body_of_another_type_or_coded_is_415_and_never_read(operation: Operation) -> None:
    [accepted, *_] = operation.spec["requestBody"]["content"]
    wrong = (
        "text/plain",
        "",
        "application/json-seq",
        f"{accepted}; charset=latin-1",
        f"x{accepted}",
        f"{accepted}, a/b",
    )
    for media_type in wrong:
        answer = await ask(operation, _hostile(("Content-Type", media_type), caller(operation)))
        assert (answer.status, answer.document["errors"][0]["field"]) == (415, "Content-Type")
        assert not answer.read
    for coding in ("gzip", "identity, br"):
        headers = _hostile(("Content-Type", accepted), ("Content-Encoding", coding), caller(operation))
        answer = await ask(operation, headers)
        assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")


@pytest.mark.parametrize("operation", BY_TOKEN, ids=named)
@pytest.mark.parametrize("written", ["{}", "{}; charset=utf-8", '{};charset="UTF-8"', "{} ; Charset=us-ascii; v=1"])
async def test_the_bodys_type_may_have_parameters(operation: Operation, written: str) -> None:
    [accepted, *_] = operation.spec["requestBody"]["content"]
    headers = _hostile(("Content-Type", written.format(accepted)), caller(operation))
    assert (await ask(operation, headers, body=GARBAGE)).status != 415


@pytest.mark.parametrize("operation", [item for item in GUARDED if item not in HOLDERS], ids=named)
async def test_what_may_be_there_once_and_is_there_twice_is_422(operation: Operation) -> None:
    singles = [item["name"] for item in operation.spec.get("parameters", ()) if item["in"] == "query"]
    for name in singles:
        answer = await ask(operation, [caller(operation)], query=f"{name}=1&{name}=1")
        assert (answer.status, answer.document["errors"][0]["field"]) == (422, name)
    for name in ("idempotency-key", "content-type", "acting-unit"):
        answer = await ask(operation, [caller(operation), (name, "12345678"), (name, "12345679")])
        assert (answer.status, answer.document["errors"][0]["field"]) == (422, name)


@pytest.mark.parametrize("operation", operations(), ids=named)
async def test_an_address_with_a_slash_too_many_is_404_and_names_nobodys_host(operation: Operation) -> None:
    class Slashed(Operation):
        @property
        def address(self) -> str:
            return super().address + "/"

    slashed = Slashed(operation.service, operation.method, operation.path, operation.spec)
    answer = await ask(slashed, [("Host", "evil.example")])
    assert answer.status in ({404} if "{" not in operation.path.rpartition("/")[2] else {404, 401})
    assert "location" not in answer.headers
    assert "evil.example" not in str(answer.headers)


READS = [operation for operation in operations() if operation.method == "GET"]
DISCLOSING = {"advis GET /v1/inbox", "advis GET /v1/inbox/{notification_id}"}


@pytest.mark.parametrize("operation", READS, ids=named)
async def test_head_is_get_without_a_body_and_405_where_it_would_take_a_permit(operation: Operation) -> None:
    got, head = await ask(operation), await ask(operation, method="HEAD")
    assert head.body == b""
    if operation.name in DISCLOSING:
        assert (head.status, head.headers["allow"]) == (405, "GET")
        return
    assert head.status == got.status
    differing = {"x-correlation-id"}
    assert {k: v for k, v in head.headers.items() if k not in differing} == {
        k: v for k, v in got.headers.items() if k not in differing
    }


def test_what_discloses_is_marked_so() -> None:
    assert {operation.name for operation in operations() if "x-discloses" in operation.spec} == DISCLOSING


@pytest.mark.parametrize("operation", operations(), ids=named)
async def test_another_method_is_405_and_names_every_method_that_there_is(operation: Operation) -> None:
    answer = await ask(operation, method="TRACE")
    there = {item.method for item in operations() if (item.service, item.path) == (operation.service, operation.path)}
    if "GET" in there and operation.name not in DISCLOSING:
        there.add("HEAD")
    allowed = set(answer.headers["allow"].split(", "))
    assert answer.status == 405
    assert there <= allowed if ":" in operation.path else there == allowed  # `{id}` fits what ends in `:act` too


NEVER_LIMITED = {
    *(f"{service} GET /health/{check}" for service in ("consent", "advis", "audit") for check in ("live", "ready")),
    "consent GET /v1/citizens/{borger_id}/restrictions/{restriction_id}/drain",
    "consent GET /v1/citizens/{borger_id}/withdrawals/{withdrawal_id}",
    "consent GET /v1/emergencies/{basis_id}/drain",
    "consent GET /v1/holders/{slot}/orders",
    "consent GET /v1/other-bases/{basis_id}/drain",
    "consent POST /v1/attestations",
    "consent POST /v1/authorities/{authority_id}:end",
    "consent POST /v1/citizens/{borger_id}/authorities/{authority_id}:end",
    "consent POST /v1/citizens/{borger_id}/consents/{consent_id}:decline",
    "consent POST /v1/citizens/{borger_id}/consents/{consent_id}:withdraw",
    "consent POST /v1/citizens/{borger_id}/consents:withdraw",
    "consent POST /v1/citizens/{borger_id}/refusals",
    "consent POST /v1/citizens/{borger_id}/requests/{request_id}:decline",
    "consent POST /v1/citizens/{borger_id}/restrictions",
    "consent POST /v1/emergencies/{basis_id}:review",
    "consent POST /v1/holders/{holder_id}:dead",
    "consent POST /v1/other-bases/{basis_id}:end",
    "consent POST /v1/permits:settle",
}


def test_what_is_never_limited_is_this() -> None:
    """Every act that ends a right to disclose, what the fence needs for it, how to learn that it is drained; health."""
    assert {operation.name for operation in operations() if "x-never-limited" in operation.spec} == NEVER_LIMITED


@pytest.mark.parametrize("operation", [item for item in GUARDED if item not in HOLDERS], ids=named)
async def test_beyond_the_quota_everything_is_429_but_a_way_to_stop(operation: Operation) -> None:
    one = Limits(quota_reads_per_minute=1, quota_writes_per_minute=1, quota_system_calls_per_minute=1)
    state = doors()[operation.service].state
    unlimited, state.admission = state.admission, Admission(one)
    headers = _hostile(("Content-Type", "text/plain"), caller(operation))
    answers = [await ask(operation, headers, query="limit=0") for _ in range(3)]
    state.admission = unlimited
    limited = operation.name not in NEVER_LIMITED
    assert [answer.status == 429 for answer in answers] == [False, limited, limited]
    if limited:
        assert 1 <= int(answers[2].headers["retry-after"]) <= 61
        assert not answers[2].read


@pytest.mark.parametrize("operation", GUARDED, ids=named)
async def test_a_trace_from_outside_ends_at_the_door(operation: Operation) -> None:
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "x=1", "baggage": "who=somebody"}
    answer = await ask(operation, trace.items())
    assert not trace.keys() & answer.headers.keys()
    assert "a" * 32 not in str(answer.headers)


@pytest.mark.parametrize(("given", "fits"), [("r" * 200, True), ("any {text}", True), ("r" * 201, False), ("æ", False)])
async def test_a_callers_own_id_comes_back_when_it_is_short_and_printable(given: str, fits: bool) -> None:
    answer = await ask(operations()[0], [("X-Request-ID", given)])
    assert answer.headers.get("x-request-id") == (given if fits else None)
