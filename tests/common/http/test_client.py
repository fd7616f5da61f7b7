"""One service calling another: as itself, with the correlation along, and three outcomes told apart."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import httpx2
import pytest
from pydantic import BaseModel

from libs.common.http import client as http_client
from libs.common.http.client import ClientCredentials, RefusedError, ServiceClient, UnreachableError
from libs.common.observing.log import bind_correlation, unbind_correlation

CREDENTIALS = ClientCredentials("http://issuer.test", "advis", "s3cret", "consent")
Answer = Callable[[httpx2.Request], httpx2.Response]


class Body(BaseModel):
    size: int


@dataclass
class Network(httpx2.AsyncBaseTransport):
    """An issuer that counts the tokens it gives, and a service whose answers are set by the test."""

    token_seconds: int = 600
    issuer_away: bool = False
    tokens: int = 0
    token_forms: list[str] = field(default_factory=list)
    calls: list[httpx2.Request] = field(default_factory=list)
    bearers: list[str] = field(default_factory=list)  # at the time of each call
    answers: list[Answer] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        if request.url.host == "issuer.test":
            return self._issue(request)
        self.calls.append(request)
        self.bearers.append(request.headers["Authorization"])
        answer = self.answers.pop(0) if self.answers else (lambda _: httpx2.Response(200, json={"ok": True}))
        return answer(request)

    def _issue(self, request: httpx2.Request) -> httpx2.Response:
        if self.issuer_away:
            raise httpx2.ConnectError("away")
        if request.url.path == "/.well-known/openid-configuration":
            return httpx2.Response(200, json={"token_endpoint": "http://issuer.test/token"})
        if request.headers["Authorization"] != "Basic YWR2aXM6czNjcmV0":
            return httpx2.Response(401, json={"error": "invalid_client"})
        self.tokens += 1
        self.token_forms.append(request.content.decode())
        token = {"access_token": f"t{self.tokens}", "token_type": "Bearer", "expires_in": self.token_seconds}
        return httpx2.Response(200, json=token)

    def then(self, *answers: Answer | Exception | int) -> None:
        self.answers += [_answer(answer) for answer in answers]


def _answer(answer: Answer | Exception | int) -> Answer:
    def given(request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer) if isinstance(answer, int) else answer(request)

    return given


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(http_client, "RETRY_DELAY_S", 0)
    return Network()


@asynccontextmanager
async def _client(network: Network, **changed) -> AsyncIterator[ServiceClient]:
    how = {"credentials": CREDENTIALS} | changed
    async with ServiceClient("http://consent.test", transport=network, **how) as client:
        yield client


async def test_one_token_for_the_audience_serves_many_calls(network: Network) -> None:
    async with _client(network) as client:
        answers = await asyncio.gather(*(client.get("/v1/holders") for _ in range(10)))
    assert answers == [{"ok": True}] * 10
    assert network.tokens == 1
    assert set(network.bearers) == {"Bearer t1"}
    assert "resource=consent" in network.token_forms[0]
    assert "grant_type=client_credentials" in network.token_forms[0]


async def test_a_token_is_renewed_before_it_ends(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(http_client, "time", SimpleNamespace(monotonic=lambda: now[0]))
    async with _client(network) as client:
        for moment in (1000.0, 1539.0, 1540.0):  # 600 s of life, renewed 60 s before the end
            now[0] = moment
            await client.get("/")
        network.token_seconds = 20
        for moment in (2080.0, 2089.0, 2090.0):  # a short one at half its life
            now[0] = moment
            await client.get("/")
    assert network.bearers == [f"Bearer t{n}" for n in (1, 1, 2, 3, 3, 4)]


async def test_a_refused_token_is_thrown_away_and_the_call_made_once_more(network: Network) -> None:
    network.then(401)
    async with _client(network) as client:
        assert await client.post("/v1/arrivals", Body(size=1)) == {"ok": True}
    assert network.bearers == ["Bearer t1", "Bearer t2"]


async def test_a_second_401_is_a_refusal_and_no_loop(network: Network) -> None:
    network.then(401, 401)
    async with _client(network) as client:
        with pytest.raises(RefusedError) as refused:
            await client.get("/")
    assert (refused.value.status, len(network.calls)) == (401, 2)


async def test_a_fixed_bearer_asks_no_issuer_and_is_not_replaced(network: Network) -> None:
    network.then(401)
    async with _client(network, credentials=None, bearer="holder.secret") as client:
        with pytest.raises(RefusedError):
            await client.get("/")
    assert network.bearers == ["Bearer holder.secret"]
    assert network.tokens == 0


@pytest.mark.parametrize("how", [{"credentials": None}, {"credentials": CREDENTIALS, "bearer": "x"}])
def test_a_client_is_somebody_and_only_one(how: dict) -> None:
    with pytest.raises(ValueError, match="credentials or a bearer"):
        ServiceClient("http://consent.test", **how)


async def test_a_refusal_carries_its_status_and_its_document(network: Network) -> None:
    document = {"type": "urn:samtykkebro:problem:conflict", "status": 409}
    network.then(lambda _: httpx2.Response(409, json=document), lambda _: httpx2.Response(400, content=b"<html>"))
    async with _client(network) as client:
        with pytest.raises(RefusedError) as refused:
            await client.post("/")
        with pytest.raises(RefusedError) as without:
            await client.post("/")
    assert (refused.value.status, refused.value.problem) == (409, document)
    assert (without.value.status, without.value.problem) == (400, {})


@pytest.mark.parametrize("broken", [500, 503, httpx2.ReadTimeout("slow"), httpx2.ReadError("lost")], ids=repr)
async def test_no_usable_answer_to_a_call_that_acts_is_unreachable_and_never_repeated(network: Network, broken) -> None:
    network.then(broken)
    async with _client(network) as client:
        with pytest.raises(UnreachableError):
            await client.post("/v1/permits:settle", {"items": []})
    assert len(network.calls) == 1  # whether it took effect is unknown


async def test_a_lost_connection_is_tried_again_when_repeating_is_harmless(network: Network) -> None:
    network.then(httpx2.ReadError("lost"), httpx2.RemoteProtocolError("closed"))
    async with _client(network) as client:
        assert await client.post("/", {}, idempotent=True) == {"ok": True}
        network.then(httpx2.ReadError("lost"))
        assert await client.get("/") == {"ok": True}
    assert len(network.calls) == 5


async def test_a_connection_that_was_never_made_may_always_be_tried_again_and_not_for_ever(network: Network) -> None:
    network.then(httpx2.ConnectError("refused"))
    async with _client(network) as client:
        assert await client.post("/", {}) == {"ok": True}
        network.then(*[httpx2.ConnectError("refused")] * 3)
        with pytest.raises(UnreachableError):
            await client.post("/", {})
    assert len(network.calls) == 5


async def test_a_timeout_is_not_repeated_even_when_that_were_harmless(network: Network) -> None:
    network.then(httpx2.ReadTimeout("slow"))
    async with _client(network) as client:
        with pytest.raises(UnreachableError):
            await client.get("/")
    assert len(network.calls) == 1  # the caller's patience is over


async def test_without_a_token_nothing_is_sent_and_it_comes_right_by_itself(network: Network) -> None:
    network.issuer_away = True
    async with _client(network) as client:
        with pytest.raises(UnreachableError, match="no access token"):
            await client.get("/")
        assert network.calls == []
        network.issuer_away = False
        assert await client.get("/") == {"ok": True}


async def test_a_wrong_secret_is_unreachable_and_does_not_print_it(network: Network) -> None:
    wrong = ClientCredentials("http://issuer.test", "advis", "wr0ng", "consent")
    async with _client(network, credentials=wrong) as client:
        with pytest.raises(UnreachableError) as failed:
            await client.get("/")
    assert "wr0ng" not in f"{failed.value!r} {failed.value.__cause__!r} {wrong!r}"


async def test_the_correlation_id_goes_along(network: Network) -> None:
    bound = bind_correlation("abc-DEF-123")
    async with _client(network) as client:
        await client.get("/")
        unbind_correlation(bound)
        await client.get("/")
    assert [call.headers.get("X-Correlation-ID") for call in network.calls] == ["abc-DEF-123", None]


@pytest.mark.parametrize(("body", "sent"), [(Body(size=7), {"size": 7}), (b'{"a":1}', {"a": 1}), ({"b": 2}, {"b": 2})])
async def test_a_body_is_sent_as_json(network: Network, body, sent) -> None:
    async with _client(network) as client:
        await client.post("/", body, headers={"Prefer": "respond-async"})
    assert json.loads(network.calls[0].content) == sent
    assert network.calls[0].headers["Content-Type"] == "application/json"
    assert network.calls[0].headers["Prefer"] == "respond-async"


async def test_an_empty_answer_is_none_and_a_broken_one_no_answer(network: Network) -> None:
    network.then(204, lambda _: httpx2.Response(200, content=b"<html>"))
    async with _client(network) as client:
        assert await client.post("/") is None
        with pytest.raises(UnreachableError):
            await client.post("/")
