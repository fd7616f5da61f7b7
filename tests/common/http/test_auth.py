"""Whose token counts, and who may: every step of `libs.common.http.auth` refuses on its own."""

import asyncio
import base64
import hashlib
import hmac
import json
import string
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import httpx2
import pytest
from fastapi import Depends
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jws import JWSRegistry

from libs.common.http.auth import Principal, TrustedIssuer, require
from libs.common.http.door import Router
from libs.common.http.problems import FAULTS, InvalidTokenError, NotFoundError, UnavailableError
from libs.common.service.app import create_app
from tests.common.world.tokens import AUDIENCE, Issuer, new_key

BAD_IN_ANY_CLAIM = ("BIF\n", "\nBIF", "BIF\x00", "BIF\u200b", "\u202eBIF", "BIF\u00a0", " ", "BIF\t")
ISSUER = Issuer()  # one for the property tests: they change nothing about it


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


@pytest.mark.parametrize(
    "raw",
    [
        b'{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"%s"}',
        b'{"alg":"none","\\u0061lg":"ES256","typ":"at+jwt","kid":"%s"}',
        b'\xef\xbb\xbf{"alg":"ES256","typ":"at+jwt","kid":"%s"}',
        b'{"alg":"ES256","typ":"at+jwt","kid":"%s","x":NaN}',
    ],
    ids=["a name twice", "a name twice, once escaped", "a byte order mark", "no number"],
)
async def test_a_header_that_another_reader_reads_otherwise_is_refused(issuer: Issuer, raw: bytes) -> None:
    header = base64.urlsafe_b64encode(raw % str(issuer.keys[0].kid).encode()).rstrip(b"=").decode()
    assert await _refused(issuer, f"{header}.{_part(issuer.claims())}.AAAA") == "malformed"


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
    with pytest.raises(InvalidTokenError, match=f"^(form_of_{claim}|malformed)$"):
        await issuer.verifier().verify(issuer.token(**{claim: value}))


@pytest.mark.parametrize(
    "value",
    [
        "a" * 255,
        "hans@kk.example",
        "0b8f0f0e-7a51-4b43-9c27-5d2f1f6c8e11",
        "0b8f0f0e7a514b439c275d2f1f6c8e11",
        "auth0|5f7c",
    ],
)
async def test_what_openid_connect_allows_names_a_caller(issuer: Issuer, value: str) -> None:
    caller = await issuer.verifier().verify(issuer.token(sub=value, client_id=value))
    assert (caller.subject, caller.client_id) == (value, value)


@pytest.mark.parametrize("claim", ["unit", "host_unit"])
@pytest.mark.parametrize("value", [*BAD_IN_ANY_CLAIM, "A" * 65, "bif", "", "910290" + "1234", ["BIF"], 7])
async def test_a_unit_is_a_code_or_the_token_is_refused(issuer: Issuer, claim: str, value: object) -> None:
    with pytest.raises(InvalidTokenError, match=f"^(form_of_{claim}|malformed)$"):
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
    router = Router()

    @router.get("/things/{thing}")
    async def read(thing: str, caller: Annotated[Principal, Depends(require("dpo", "auditor"))]) -> dict[str, str]:
        if thing != "there":
            raise NotFoundError
        return {"caller": caller.subject}

    @asynccontextmanager
    async def lifespan(_app):
        yield

    app = create_app(title="Door", service="door", lifespan=lifespan, routers=[router])
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
    document = there.json()
    if roles == ["dpo", "administrator"]:
        assert document.pop("detail") == "The roles of the token exclude each other here."
    else:
        [error] = document.pop("errors")
        assert (error["field"], error["known"]) == ("roles", ["auditor", "dpo"])
    assert document == {"type": "urn:samtykkebro:problem:forbidden", "title": "Forbidden", "status": 403}


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic eDp5", "bearer nonsense", "Bearer a b"])
async def test_no_token_that_holds_is_a_401_that_says_how_to_ask(issuer: Issuer, value: str | None) -> None:
    async with _door(issuer) as http:
        answer = await http.get("/things/there", headers={} if value is None else {"Authorization": value})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="samtykkebro"')
    assert answer.json()["type"] == "urn:samtykkebro:problem:unauthenticated"
    assert ("error" in answer.headers["WWW-Authenticate"]) is (value in {"bearer nonsense", "Bearer a b"})


async def test_two_tokens_are_none(issuer: Issuer) -> None:
    headers = [("Authorization", f"Bearer {issuer.token(roles=['dpo'])}")] * 2
    async with _door(issuer) as http:
        answer = await http.get("/things/there", headers=headers)
    assert answer.status_code == 401


def _wrong_tokens() -> dict[str, tuple[dict, str]]:
    """What is wrong → the changes that `Issuer.token` takes, and the sentence."""
    claims = {f"no_{name}": ({name: None}, name) for name in ("exp", "iat", "sub", "client_id", "jti")}
    return {
        "expired": ({"exp": 1}, "expired"),
        "not yet valid": ({"nbf": 2_000_000_000}, "not valid yet"),
        "issued later": ({"iat": 2_000_000_000}, "not valid yet"),
        "another audience": ({"aud": "audit"}, "another audience"),
        "no audience": ({"aud": None}, "another audience"),
        "unknown issuer": ({"iss": "https://elsewhere.test"}, "not trusted"),
        "unknown key": ({"header": {"kid": "x"}}, "does not publish"),
        "no key": ({"header": {"kid": None}}, "names no key"),
        "an id token": ({"header": {"typ": "JWT"}}, "at+jwt"),
        "a malformed end": ({"exp": "tomorrow"}, "claim exp"),
        "a malformed unit": ({"unit": "BIF\n"}, "claim unit"),
        **claims,
    }


@pytest.mark.parametrize(("changed", "said"), _wrong_tokens().values(), ids=_wrong_tokens())
async def test_a_401_says_what_is_wrong_with_the_token_and_never_whom_it_names(
    issuer: Issuer, changed: dict, said: str
) -> None:
    async with _door(issuer) as http:
        header = {"Authorization": f"Bearer {issuer.token(**{'sub': 'somebody7'} | changed)}"}
        answers = [await http.get(f"/things/{thing}", headers=header) for thing in ("there", "gone")]
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].content == answers[1].content
    challenge, detail = answers[0].headers["WWW-Authenticate"], answers[0].json()["detail"]
    assert said in detail
    assert challenge == f'Bearer realm="samtykkebro", error="invalid_token", error_description="{detail}"'
    assert "somebody7" not in challenge


def test_what_is_told_of_a_token_fits_the_header() -> None:
    for sentence in FAULTS.values():
        assert set(sentence) <= set(string.printable) - set('"\\\n\r\t\x0b\x0c')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
HEADERS = ("alg", "typ", "kid", "crit", "b64", "jwk", "jku", "x5c", "x5u", "cty", "zip", "enc")
CLAIMS = ("iss", "aud", "sub", "client_id", "iat", "exp", "nbf", "jti", "roles", "unit", "acr", "cpr")


@settings(max_examples=300, deadline=None)
@given(
    header=st.dictionaries(st.sampled_from(HEADERS), JSON, max_size=3),
    claims=st.dictionaries(st.sampled_from(CLAIMS), JSON, max_size=3),
)
async def test_headers_and_claims_of_any_kind_that_a_good_key_signed_never_fail(header: dict, claims: dict) -> None:
    """Refused by a code that is told, or let in; nothing else is raised."""
    protected = {"alg": "ES256", "typ": "at+jwt", "kid": ISSUER.keys[0].kid} | header
    payload = ISSUER.claims() | claims
    head = f"{_part(protected)}.{_part(payload)}"
    signature = _signature(head)
    reason = None
    try:
        await ISSUER.verifier().verify(f"{head}.{signature}")
    except InvalidTokenError as refused:
        reason = refused.reason
    assert reason is None or reason in FAULTS


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["", ".", "..", "e30."]))
async def test_bytes_of_any_kind_as_a_token_never_fail(raw: bytes, before: str) -> None:
    with pytest.raises(InvalidTokenError) as refused:
        await ISSUER.verifier().verify(before + raw.decode("latin-1"))
    assert refused.value.reason in FAULTS


@pytest.mark.parametrize("deep", ["header", "payload"])
async def test_a_token_that_nests_without_end_is_malformed(deep: str) -> None:
    nested = base64.urlsafe_b64encode(b"[" * 2900).rstrip(b"=").decode()
    token = f"{nested}.e30.AA" if deep == "header" else f"{_part({'alg': 'ES256', 'typ': 'at+jwt'})}.{nested}.AA"
    assert await _refused(ISSUER, token) == "malformed"


def _signature(head: str) -> str:
    raw = JWSRegistry.algorithms["ES256"].sign(head.encode(), ISSUER.keys[0])
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


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
