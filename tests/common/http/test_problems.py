"""What leaves a service when it refuses: the right document, and nothing of what was sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Header, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from libs.common.http.door import Router
from libs.common.http.problems import (
    ERRORS_MAX,
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionError,
    Problem,
    TooLargeError,
    UnavailableError,
)
from libs.common.observing import log
from libs.common.observing.metrics import REFUSALS
from libs.common.service.app import create_app
from libs.common.service.document import PROBLEMS

NUMBER = "61" + "0158" + "5123"  # a replacement number in a century in which nobody alive was born
DASHED = NUMBER[:6] + "-" + NUMBER[6:]


class Colour(StrEnum):
    RED = "red"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class Sent(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: UUID
    size: Annotated[int, Field(ge=1, le=5)]
    above: Annotated[float, Field(gt=0, lt=1)] = 0.5
    language: Literal["da", "en"]
    colour: Colour = Colour.RED
    at: AwareDatetime | None = None
    naive: datetime | None = None
    day: date | None = None
    text: Annotated[str, Field(min_length=2, max_length=4)] = "abc"
    flag: bool = False
    parts: Annotated[list[Inner], Field(max_length=2)] = []
    labels: dict[str, int] = {}
    checked: str = ""

    @field_validator("checked")
    @classmethod
    def careless(cls, value: str) -> str:
        if value:
            raise ValueError(f"we do not like {value}")
        return value


GOOD: dict[str, Any] = {"id": "00000000-0000-4000-8000-000000000000", "size": 1, "language": "da"}
router = Router()
RAISED: dict[str, Exception] = {
    "conflict": ConflictError("This key was used for another request."),
    "precondition": PreconditionError(),
    "forbidden": ForbiddenError(),
    "missing": NotFoundError(),
    "large": TooLargeError(),
    "invalid": InvalidError("purpose", "is not offered", ["KOORDINERING", "BEHANDLING"]),
    "unavailable": UnavailableError(retry_after_s=7),
    "unforeseen": RuntimeError(f"duplicate key (cpr)=({NUMBER}) in SELECT secret FROM citizen"),
}


@router.post("/sent")
async def sent(
    body: Sent,
    limit: Annotated[int, Query(ge=1)] = 1,
    idempotency_key: Annotated[str, Header(min_length=3)] = "abc",
) -> dict[str, bool]:
    return {"ok": bool(body and limit and idempotency_key)}


@router.get("/raise/{what}")
async def raised(what: str) -> None:
    raise RAISED[what]


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    log.configure("door", "api", "DEBUG")
    app = create_app(title="Door", service="door", lifespan=_lifespan, routers=[router])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test") as client:
        yield client


@pytest.mark.parametrize(
    ("what", "status", "kind"),
    [
        ("conflict", 409, "conflict"),
        ("precondition", 412, "precondition-failed"),
        ("forbidden", 403, "forbidden"),
        ("missing", 404, "not-found"),
        ("large", 413, "too-large"),
        ("invalid", 422, "invalid"),
        ("unavailable", 503, "unavailable"),
        ("unforeseen", 500, "internal"),
    ],
)
async def test_every_refusal_is_a_problem_document(http, what: str, status: int, kind: str) -> None:
    counted = REFUSALS.labels(kind)._value.get()
    answer = await http.get(f"/raise/{what}")
    assert REFUSALS.labels(kind)._value.get() == counted + 1
    document = answer.json()
    assert answer.status_code == document["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert document["type"] == f"urn:samtykkebro:problem:{kind}"


async def test_a_refusal_by_value_names_what_would_have_been_accepted(http) -> None:
    assert (await http.get("/raise/invalid")).json()["errors"] == [
        {"field": "purpose", "message": "is not offered", "known": ["KOORDINERING", "BEHANDLING"]}
    ]
    assert (await http.get("/raise/unavailable")).headers["Retry-After"] == "7"


async def test_an_address_that_is_not_there_reads_as_a_thing_that_is_not_there(http) -> None:
    nowhere, hidden = await http.get("/nowhere"), await http.get("/raise/missing")
    assert nowhere.content == hidden.content
    assert nowhere.status_code == hidden.status_code == 404


async def test_a_wrong_method_says_which_are_right(http) -> None:
    answer = await http.delete("/sent")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json()["type"] == "urn:samtykkebro:problem:method-not-allowed"


TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_what_nobody_foresaw_tells_the_caller_the_correlation_id_and_nothing_else(http, capfd) -> None:
    answer = await http.get("/raise/unforeseen", headers={"X-Correlation-ID": TRACE})
    assert answer.json() == {
        "type": "urn:samtykkebro:problem:internal", "title": "Internal error", "status": 500,
        "correlation_id": TRACE,
    }  # fmt: skip
    written = capfd.readouterr()
    assert '"error":"RuntimeError"' in written.out
    assert TRACE in written.out
    assert "test_problems.py" in written.out  # where in the code
    assert NUMBER not in written.out + written.err
    assert "SELECT" not in written.out + written.err


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"id": None}, "id", "must be a UUID"),
        ({"id": NUMBER}, "id", "must be a UUID"),
        ({"size": NUMBER}, "size", "must be at most 5"),
        ({"size": f"x{NUMBER}"}, "size", "must be a whole number"),
        ({"size": 0}, "size", "must be at least 1"),
        ({"above": 0}, "above", "must be greater than 0.0"),
        ({"above": 1}, "above", "must be less than 1.0"),
        ({"language": NUMBER}, "language", "must be one of: 'da' or 'en'"),
        ({"colour": NUMBER}, "colour", "must be one of: 'red'"),
        ({"at": "2026-01-01T00:00:00"}, "at", "must carry an offset from UTC"),
        ({"naive": DASHED}, "naive", "must be an RFC 3339 date-time"),
        ({"day": DASHED}, "day", "must be a date, YYYY-MM-DD"),
        ({"text": NUMBER}, "text", "must have at most 4 characters"),
        ({"text": "x"}, "text", "must have at least 2 characters"),
        ({"text": 7}, "text", "must be a text"),
        ({"flag": NUMBER}, "flag", "must be true or false"),
        ({"parts": NUMBER}, "parts", "must be a list"),
        ({"parts": [{"code": "ABC"}] * 3}, "parts", "must have at most 2 items"),
        ({"parts": [{"code": "ABC"}, {"code": NUMBER}]}, "parts.1.code", "must match ^[A-Z]{3}$"),
        ({"parts": [{"code": "ABC", NUMBER: 1}]}, "parts.0", "holds a field that is not known"),
        ({"parts": [NUMBER]}, "parts.0", "must be an object"),
        ({"labels": {NUMBER: "x"}}, "labels.?", "must be a whole number"),
        ({"labels": {f"cpr{NUMBER}": "x"}}, "labels.?", "must be a whole number"),
        ({NUMBER: 1}, "body", "holds a field that is not known"),
        ({"Morten Ravn": 1}, "body", "holds a field that is not known"),
        ({"checked": DASHED}, "checked", "is not valid"),
    ],
    ids=str,
)
async def test_a_422_names_the_field_and_never_repeats_what_was_sent(http, capfd, changed, field, message) -> None:
    answer = await http.post("/sent", json=GOOD | changed)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": field, "message": message}]
    everything = answer.text + str(answer.headers) + "".join(capfd.readouterr())
    for secret in (NUMBER, DASHED, "Morten"):
        assert secret not in everything


async def test_a_missing_body_and_a_missing_field_are_named(http) -> None:
    assert (await http.post("/sent")).json()["errors"] == [{"field": "body", "message": "is required"}]
    errors = (await http.post("/sent", json={})).json()["errors"]
    assert [error["field"] for error in errors] == ["id", "size", "language"]


@pytest.mark.parametrize("content", [f'{{"id": {DASHED}', NUMBER + "x", '{"id": "\ud800"}'])
async def test_broken_json_is_said_without_repeating_it(http, content: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await http.post("/sent", content=content.encode("utf-8", "surrogatepass"), headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert NUMBER not in answer.text
    assert DASHED not in answer.text


async def test_queries_and_headers_are_named_as_the_caller_wrote_them(http) -> None:
    answer = await http.post("/sent?limit=0", json=GOOD, headers={"Idempotency-Key": "x"})
    assert {error["field"] for error in answer.json()["errors"]} == {"limit", "idempotency-key"}


async def test_a_422_is_never_longer_than_its_limit(http) -> None:
    answer = await http.post("/sent", json=GOOD | {"labels": {f"a{n}": "x" for n in range(100)}})
    assert len(answer.json()["errors"]) == ERRORS_MAX


def test_a_forbidden_and_a_missing_thing_can_say_nothing() -> None:
    for kind in (ForbiddenError, NotFoundError):
        with pytest.raises(TypeError):
            kind("it belongs to somebody else")  # type: ignore[call-arg]


def test_a_problem_keeps_its_text_out_of_its_printed_form() -> None:
    problem = Problem("detail", errors=[FieldError("cpr", "is not valid")])
    assert str(problem) == "bad-request"
    assert repr(problem) == "Problem('bad-request')"


async def test_openapi_declares_every_refusal_with_the_same_schema(http) -> None:
    document = (await http.get("/openapi.json")).json()
    declared = document["paths"]["/sent"]["post"]["responses"]
    ungiven = {"401", "403", "406", "412", "428", "429"}  # without a gate and the headers of these
    assert not ungiven & declared.keys()
    for status in {str(one) for one in PROBLEMS} - ungiven:
        schema = declared[status]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
