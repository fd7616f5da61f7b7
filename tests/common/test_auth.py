"""Whose token counts, and who may: every step of `libs.common.auth` refuses on its own."""

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import APIRouter, Depends
from joserfc import jwt

from libs.common.auth import InvalidTokenError, Principal, TrustedIssuer, require
from libs.common.problems import NotFoundError, UnavailableError
from libs.common.web import create_app
from tests.common.tokens import AUDIENCE, Issuer, new_key

BAD_IN_ANY_CLAIM = ("BIF\n", "\nBIF", "BIF\x00", "BIF\u200b", "\u202eBIF", "BIF\u00a0", " ", "BIF\t")


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def _refused(issuer: Issuer, token: str) -> str:
    with pytest.raises(InvalidTokenError) as refused:
        await issuer.verifier().verify(token)
    return refused.value.reason


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "Ed25519"])
async def test_a_good_token_tells_who_calls(algorithm: str) -> None:
    issuer = Issuer(algorithm=algorithm)
    caller = await issuer.verifier().verify(issuer.token(acr="Substantial"))
    assert (caller.subject, caller.client_id, caller.unit) == ("bif101", "pages", "BIF-CAB")
    assert (caller.roles, caller.assurance) == ({"caseworker"}, "Substantial")


async def test_one_of_several_audiences_is_enough(issuer: Issuer) -> None:
    assert await issuer.verifier().verify(issuer.token(aud=["audit", AUDIENCE]))


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "audit"},
        {"aud": [AUDIENCE + "s"]},
        {"aud": None},
        {"iss": "https://elsewhere.test"},
        {"iss": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"client_id": None},
        {"client_id": ["pages"]},
        {"jti": None},
    ],
    ids=str,
)
async def test_a_claim_that_is_wrong_or_absent_is_refused(issuer: Issuer, changed: dict) -> None:
    assert await _refused(issuer, issuer.token(**changed))


@pytest.mark.parametrize("typ", ["JWT", None, "id+jwt"])
async def test_an_id_token_is_no_access_token(issuer: Issuer, typ: str | None) -> None:
    assert await _refused(issuer, issuer.token(header={"typ": typ})) == "not_an_access_token"


async def test_the_clock_may_differ_by_the_leeway_and_not_more(issuer: Issuer) -> None:
    verify = issuer.verifier(leeway_s=30).verify
    assert await verify(issuer.token(exp=int(issuer.now) - 29))
    assert await verify(issuer.token(iat=int(issuer.now) + 29))
    assert await verify(issuer.token(nbf=int(issuer.now) + 29))
    for changed in ({"exp": -31}, {"iat": 31}, {"nbf": 31}):
        late = {name: int(issuer.now) + offset for name, offset in changed.items()}
        with pytest.raises(InvalidTokenError):
            await verify(issuer.token(**late))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "æ.ø.å", "x" * 9000, "e30.e30.", "eyJhbGciOiJFUzI1NiJ9"])
async def test_what_is_no_token_is_refused_without_asking_the_issuer(issuer: Issuer, token: str) -> None:
    assert await _refused(issuer, token)
    assert issuer.requests == []


def _part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
async def test_an_unsigned_token_is_refused(issuer: Issuer, alg: str) -> None:
    header = {"alg": alg, "typ": "at+jwt", "kid": issuer.keys[0].kid}
    assert await _refused(issuer, f"{_part(header)}.{_part(issuer.claims())}.") == "algorithm"


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
async def test_the_public_key_used_as_a_shared_secret_is_refused(form: str) -> None:
    issuer = Issuer(algorithm="RS256")
    key = issuer.keys[0]
    public = {"pem": key.as_pem(private=False), "der": key.as_der(private=False)}  # type: ignore[attr-defined]
    secret = public.get(form) or json.dumps(key.as_dict(private=False)).encode()
    signed = f"{_part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': key.kid})}.{_part(issuer.claims())}"
    mac = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert await _refused(issuer, f"{signed}.{mac}") == "algorithm"


async def test_an_algorithm_that_does_not_fit_the_key_is_refused(issuer: Issuer) -> None:
    header, payload, signature = issuer.token().split(".")
    claimed = _part({"alg": "RS256", "typ": "at+jwt", "kid": issuer.keys[0].kid})
    assert await _refused(issuer, f"{claimed}.{payload}.{signature}") == "wrong_key"
    assert header != claimed


async def test_a_key_that_travels_in_the_token_is_not_used(issuer: Issuer) -> None:
    own = new_key("ES256")
    header = {"kid": issuer.keys[0].kid, "jwk": own.as_dict(private=False)}
    assert await _refused(issuer, issuer.token(header=header, key=own))


@pytest.mark.parametrize("claim", ["sub", "client_id"])
@pytest.mark.parametrize("value", [*BAD_IN_ANY_CLAIM, "a" * 256, "u" + "91" + "0290" + "1234", "bif 101", "å"])
async def test_who_calls_is_named_in_one_form_or_not_at_all(issuer: Issuer, claim: str, value: str) -> None:
    with pytest.raises(InvalidTokenError, match=f"^form_of_{claim}$"):
        await issuer.verifier().verify(issuer.token(**{claim: value}))


@pytest.mark.parametrize("value", ["a" * 255, "hans@kk.example", str(uuid4()), uuid4().hex, "auth0|5f7c"])
async def test_what_openid_connect_allows_names_a_caller(issuer: Issuer, value: str) -> None:
    caller = await issuer.verifier().verify(issuer.token(sub=value, client_id=value))
    assert (caller.subject, caller.client_id) == (value, value)


@pytest.mark.parametrize("claim", ["unit", "host_unit"])
@pytest.mark.parametrize("value", [*BAD_IN_ANY_CLAIM, "A" * 65, "bif", "", "910290" + "1234", ["BIF"], 7])
async def test_a_unit_is_a_code_or_the_token_is_refused(issuer: Issuer, claim: str, value: object) -> None:
    with pytest.raises(InvalidTokenError, match=f"^form_of_{claim}$"):
        await issuer.verifier().verify(issuer.token(**{claim: value}))


async def test_changed_claims_break_the_signature(issuer: Issuer) -> None:
    header, _, signature = issuer.token().split(".")
    assert await _refused(issuer, f"{header}.{_part(issuer.claims(roles=['dpo']))}.{signature}") == "signature"


async def test_a_token_without_a_key_id_is_refused(issuer: Issuer) -> None:
    assert await _refused(issuer, issuer.token(header={"kid": None}))


async def test_an_issuer_signs_for_itself_only(issuer: Issuer) -> None:
    other = Issuer(url="https://other.test")
    claims = issuer.claims(iss=other.url)
    header = {"alg": "ES256", "typ": "at+jwt", "kid": issuer.keys[0].kid}
    forged = jwt.encode(header, claims, issuer.keys[0])

    def answer(request: httpx2.Request) -> httpx2.Response:
        return (other if request.url.host == "other.test" else issuer).answer(request)

    verifier = issuer.verifier(TrustedIssuer(other.url))
    verifier._client._transport = httpx2.MockTransport(answer)
    assert await verifier.verify(issuer.token())
    assert await verifier.verify(other.token())
    with pytest.raises(InvalidTokenError, match="unknown_key"):
        await verifier.verify(forged)


async def test_an_issuer_gives_only_the_roles_it_may(issuer: Issuer) -> None:
    verifier = issuer.verifier(TrustedIssuer(issuer.url, roles=frozenset({"citizen"})))  # the later entry counts
    caller = await verifier.verify(issuer.token(roles=["citizen", "dpo", 7]))
    assert caller.roles == {"citizen"}


async def test_a_rotated_key_is_found_and_the_old_one_no_longer_counts(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    old = issuer.token()
    await verifier.verify(old)
    issuer.rotate()
    issuer.now += 61  # beyond the memory of verified tokens
    assert await verifier.verify(issuer.token())
    with pytest.raises(InvalidTokenError, match="unknown_key"):
        await verifier.verify(old)


async def test_invented_key_ids_reach_the_issuer_once_in_ten_seconds(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await verifier.verify(issuer.token())
    issuer.requests.clear()

    async def guess(number: int) -> None:
        with pytest.raises(InvalidTokenError, match="unknown_key"):
            await verifier.verify(issuer.token(header={"kid": f"guess-{number}"}))

    await asyncio.gather(*(guess(number) for number in range(20)))
    assert issuer.requests == []  # the keys were fetched a moment ago
    issuer.now += 11
    await asyncio.gather(*(guess(number) for number in range(20)))
    assert issuer.requests.count("/keys") == 1


async def test_a_cold_start_fetches_the_keys_once_for_all_who_wait(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await asyncio.gather(*(verifier.verify(issuer.token()) for _ in range(10)))
    assert issuer.requests.count("/keys") == 1


async def test_a_verified_token_is_remembered_for_a_minute_and_never_beyond_its_end(issuer: Issuer) -> None:
    verifier = issuer.verifier(leeway_s=0)
    short = issuer.token(exp=int(issuer.now) + 20)
    await verifier.verify(short)
    issuer.now += 19
    assert await verifier.verify(short)
    issuer.now += 1
    with pytest.raises(InvalidTokenError, match="expired"):
        await verifier.verify(short)


async def test_known_keys_serve_while_the_issuer_is_away_and_not_for_ever(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await verifier.verify(issuer.token())
    issuer.away = True
    issuer.now += 600
    assert await verifier.verify(issuer.token())
    issuer.now += 3601
    with pytest.raises(UnavailableError):
        await verifier.verify(issuer.token())


async def test_without_keys_nobody_is_let_in_and_the_issuer_is_asked_again_soon(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    issuer.away = True
    with pytest.raises(UnavailableError):
        await verifier.verify(issuer.token())
    issuer.away = False
    issuer.now += 1
    assert await verifier.verify(issuer.token())


async def test_another_issuers_discovery_document_is_not_believed(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    token = issuer.token()
    issuer.url = "https://elsewhere.test"
    with pytest.raises(UnavailableError):
        await verifier.verify(token)


async def test_a_principal_does_not_print_what_its_token_holds(issuer: Issuer) -> None:
    number = "61" + "0158" + "5123"
    caller = await issuer.verifier().verify(issuer.token(cpr=number))
    assert caller.claims["cpr"] == number
    assert number not in repr(caller)
    with pytest.raises(TypeError):
        caller.claims["cpr"] = "changed"  # type: ignore[index]


def _door(issuer: Issuer) -> httpx2.AsyncClient:
    router = APIRouter()

    @router.get("/things/{thing}")
    async def read(thing: str, caller: Annotated[Principal, Depends(require("dpo", "auditor"))]) -> dict[str, str]:
        if thing != "there":
            raise NotFoundError
        return {"caller": caller.subject}

    @asynccontextmanager
    async def lifespan(_app):
        yield

    app = create_app(title="Door", version="1", service="door", lifespan=lifespan, routers=[router])
    app.state.verifier = issuer.verifier()
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test")


async def test_a_role_opens_and_any_of_several_does(issuer: Issuer) -> None:
    async with _door(issuer) as http:
        for role in ("dpo", "auditor"):
            headers = {"Authorization": f"Bearer {issuer.token(roles=[role])}"}
            assert (await http.get("/things/there", headers=headers)).status_code == 200
        assert (await http.get("/things/gone", headers=headers)).status_code == 404


@pytest.mark.parametrize("roles", [[], ["caseworker"], ["DPO"], "dpo", None, {"dpo": True}, ["dpo", "administrator"]])
async def test_a_missing_role_is_refused_alike_whether_the_thing_exists_or_not(issuer: Issuer, roles: object) -> None:
    async with _door(issuer) as http:
        headers = {"Authorization": f"Bearer {issuer.token(roles=roles)}", "X-Correlation-ID": str(UUID(int=1))}
        there = await http.get("/things/there", headers=headers)
        gone = await http.get("/things/gone", headers=headers)
    assert there.status_code == gone.status_code == 403
    assert (there.content, there.headers) == (gone.content, gone.headers)
    assert there.json() == {"type": "urn:samtykkebro:problem:forbidden", "title": "Forbidden", "status": 403}


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic eDp5", "bearer nonsense", "Bearer a b"])
async def test_no_token_that_holds_is_a_401_that_says_how_to_ask(issuer: Issuer, value: str | None) -> None:
    async with _door(issuer) as http:
        answer = await http.get("/things/there", headers={} if value is None else {"Authorization": value})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="samtykkebro"')
    assert answer.json() == {
        "type": "urn:samtykkebro:problem:unauthenticated", "title": "Authentication required", "status": 401,
    }  # fmt: skip


async def test_every_refusal_of_a_token_looks_the_same(issuer: Issuer) -> None:
    tokens = [issuer.token(aud="audit"), issuer.token(exp=1), issuer.token(header={"kid": "x"}), "a.b.c"]
    async with _door(issuer) as http:
        answers = [await http.get("/things/there", headers={"Authorization": f"Bearer {t}"}) for t in tokens]
    assert {(a.status_code, a.content, a.headers["WWW-Authenticate"]) for a in answers} == {
        (401, answers[0].content, 'Bearer realm="samtykkebro", error="invalid_token"')
    }


async def test_an_issuer_that_is_away_is_a_503_and_not_an_open_door(issuer: Issuer) -> None:
    issuer.away = True
    async with _door(issuer) as http:
        answer = await http.get("/things/there", headers={"Authorization": f"Bearer {issuer.token(roles=['dpo'])}"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


async def test_openapi_says_which_doors_ask_for_a_token(issuer: Issuer) -> None:
    async with _door(issuer) as http:
        document = (await http.get("/openapi.json")).json()
    assert document["paths"]["/things/{thing}"]["get"]["security"] == [{"accessToken": []}]
    assert "security" not in document["paths"]["/health/live"]["get"]
    assert document["components"]["securitySchemes"]["accessToken"]["scheme"] == "bearer"


def test_a_door_for_nobody_in_particular_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="name the roles"):
        require()
