"""The edge of every service: correlation, limits, headers, and an answer that is cut when it cannot be finished."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, StreamingResponse

from libs.common.database.database import CommitUncertainError
from libs.common.http.door import Router
from libs.common.observing import log
from libs.common.observing.log import current_correlation
from libs.common.service import app as service_app
from libs.common.service.app import BODY_BYTES_MAX, ResponseCutError, create_app, refused_address
from tests import hostile
from tests.hostile import NUMBER

router = Router()


@router.post("/size")
async def size(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@router.post("/wide", max_body_size=2 * BODY_BYTES_MAX)
async def wide(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@router.post("/model")
async def model(body: dict[str, str]) -> dict[str, int]:
    return {"items": len(body)}


@router.post("/unread")
async def unread() -> dict[str, bool]:
    return {"done": True}


@router.get("/away")
async def away() -> None:
    raise CommitUncertainError


@router.get("/correlation")
async def correlation() -> dict[str, str | None]:
    return {"correlation": current_correlation()}


@router.get("/cached")
async def cached() -> PlainTextResponse:
    return PlainTextResponse("public", headers={"Cache-Control": "max-age=60"})


@router.get("/cut")
async def cut() -> StreamingResponse:
    async def half() -> AsyncIterator[bytes]:
        yield b"half of "
        raise RuntimeError("the other half")

    return StreamingResponse(half())


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    log.configure("door", "api")
    app = create_app(title="Door", service="door", lifespan=_lifespan, routers=[router])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test") as client:
        yield client


def _chunks(total: int) -> Iterator[bytes]:
    for start in range(0, total, 1000):
        yield b"x" * min(1000, total - start)


async def _chunked(total: int) -> AsyncIterator[bytes]:
    for chunk in _chunks(total):
        yield chunk


async def test_a_body_of_exactly_the_limit_is_read(http) -> None:
    answer = await http.post("/size", content=b"x" * BODY_BYTES_MAX)
    assert answer.json() == {"bytes": BODY_BYTES_MAX}
    assert (await http.post("/size", content=_chunked(BODY_BYTES_MAX))).json() == {"bytes": BODY_BYTES_MAX}


@pytest.mark.parametrize("path", ["/size", "/model", "/unread"])
async def test_a_body_beyond_the_limit_is_refused_as_a_problem_also_where_nobody_reads_it(http, path: str) -> None:
    answer = await http.post(path, content=b"x" * (BODY_BYTES_MAX + 1))
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:samtykkebro:problem:too-large"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Connection"] == "close"
    assert answer.headers["X-Correlation-ID"]


@pytest.mark.parametrize("path", ["/size", "/model"])
async def test_a_chunked_body_that_announces_no_length_meets_the_same_limit(http, path: str) -> None:
    json = {"Content-Type": "application/json"}
    answer = await http.post(path, content=_chunked(BODY_BYTES_MAX + 1), headers=json)
    assert "Content-Length" not in answer.request.headers
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


async def test_a_length_that_lies_low_does_not_open_the_limit(http) -> None:
    answer = await http.post("/size", content=_chunked(BODY_BYTES_MAX + 1), headers={"Content-Length": "10"})
    assert answer.status_code == 413


async def test_a_route_may_have_a_wider_limit_of_its_own_and_no_wider(http) -> None:
    assert (await http.post("/wide", content=_chunked(2 * BODY_BYTES_MAX))).status_code == 200
    assert (await http.post("/wide", content=_chunked(2 * BODY_BYTES_MAX + 1))).status_code == 413


@pytest.mark.parametrize(
    "given", ["0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11", "0b8f0f0e7a514b439c275d2f1f6c8e11", "01KAEXZ9T10123456789012345"]
)
async def test_a_well_formed_correlation_id_is_passed_on(http, given: str) -> None:
    answer = await http.get("/correlation", headers={"X-Correlation-ID": given})
    assert answer.json() == {"correlation": given}
    assert answer.headers["X-Correlation-ID"] == given
    assert current_correlation() is None  # nothing is left behind


DASHED = "61" + "0158" + "-" + "5123"


@pytest.mark.parametrize(
    "given", ["", "short", "abc-DEF-123", "x" * 65, "with space", "new\tline", "æøåæøåæø", DASHED, f"ref{DASHED}"]
)
async def test_any_other_correlation_id_is_replaced_by_a_new_one(http, given: str) -> None:
    answer = await http.get("/correlation", headers={"X-Correlation-ID": given.encode()})
    assert UUID(answer.json()["correlation"]).version == 4
    assert answer.headers["X-Correlation-ID"] == answer.json()["correlation"]


@pytest.mark.parametrize("path", [f"/{NUMBER}", f"/things/case{NUMBER}", "/91-02-90/" + "1234", "/910290%20" + "1234"])
async def test_a_path_that_holds_a_number_is_not_there_and_is_not_logged(http, capfd, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:samtykkebro:problem:not-found")
    assert answer.headers["Cache-Control"] == "no-store"
    written = capfd.readouterr()
    assert "1234" not in answer.text + written.out + written.err


@pytest.mark.parametrize(
    "query", [f"q={NUMBER}", "q=910290-" + "1234", "a=910290&b=" + "1234", f"{NUMBER}=1", "q=910290%2D" + "1234"]
)
async def test_so_is_a_query_refused(http, capfd, query: str) -> None:
    answer = await http.get(f"/correlation?{query}")
    held = "&b=" not in query  # two fields are two numbers
    assert answer.status_code == (422 if held else 200)
    if held:
        assert answer.json()["errors"] == [{"field": "query", "message": "must not hold a personal number"}]
    written = capfd.readouterr()
    assert NUMBER not in answer.text + written.out + written.err


async def test_an_address_of_ids_moments_and_counts_is_let_through(http) -> None:
    for _ in range(2_000):
        assert (
            refused_address({"path": f"/v1/{uuid4()}/x/{uuid4()}:y", "query_string": f"subject={uuid4()}".encode()})
            is None
        )
    address = {
        "path": f"/v1/entries/{NUMBER}/proof",
        "query_string": f"from={NUMBER}&after=20261127120000Z&to=1".encode(),
    }
    assert refused_address(address) is None


async def test_nothing_is_stored_framed_sniffed_or_referred_unless_a_route_says_so(http) -> None:
    answer = await http.get("/correlation")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert (await http.get("/cached")).headers.get_list("Cache-Control") == ["max-age=60"]


async def test_an_answer_that_breaks_after_its_first_byte_is_cut_and_never_made_to_look_whole(http, capfd) -> None:
    with pytest.raises(ResponseCutError) as cut_off:
        await http.get("/cut")
    assert cut_off.value.__suppress_context__
    assert "the other half" not in capfd.readouterr().out


async def test_pages_that_load_scripts_from_elsewhere_are_off(http) -> None:
    assert (await http.get("/docs")).status_code == (await http.get("/redoc")).status_code == 404
    assert (await http.get("/openapi.json")).status_code == 200


def test_no_layer_is_the_slow_kind() -> None:
    assert not hasattr(service_app, "BaseHTTPMiddleware")


async def test_a_database_that_is_away_is_a_503_to_be_repeated_and_says_nothing(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/away")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "Commit" not in answer.text


@pytest.mark.parametrize(
    "body", [body for body in hostile.JSON.values() if body], ids=[n for n, b in hostile.JSON.items() if b]
)
async def test_a_body_that_means_two_things_or_none_is_refused(http, body: bytes) -> None:
    answer = await http.post("/model", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "body"
    assert error["message"].startswith("must ")


@pytest.mark.parametrize("path", ["/v1/x%0a", "/v1/x%0A", "/v1%2fx", "/v1/%2Fx", "/v1/x%00", "/v1/%1fx", "/v1/x%7f"])
def test_a_path_that_a_proxy_reads_as_another_one_is_not_found(path: str) -> None:
    refused = refused_address({"path": "/v1/x", "raw_path": path.encode(), "query_string": b""})
    assert refused is not None
    assert refused.status == 404


@pytest.mark.parametrize("path", ["/v1/x", "/v1/%78", "/v1/x%20y", "/v1/%c3%a6", "/v1/a%3Ab"])
def test_every_other_path_is_as_it_was(path: str) -> None:
    assert refused_address({"path": "/v1/x", "raw_path": path.encode(), "query_string": b""}) is None
