"""Who is who, what a citizen reads about themselves, and the keys they take elsewhere."""

import asyncio
import base64
import json
import time
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import httpx2
import pytest
from joserfc.jwk import KeySet

from libs.common.http.auth import TokenVerifier, TrustedIssuer
from tests.consent.world import issuer
from tests.consent.world.door import KEY, Door
from tests.consent.world.people import adult, number
from tests.consent.world.staff import FIRST

SOURCE = issuer.token("source_system", client_id="fasit", unit="BIF-JOBINDSATS")


async def resolve(door: Door, cpr: str, token: str = SOURCE) -> httpx2.Response:
    return await door.call("POST", "/v1/citizens:resolve", token, json={"cpr": cpr})


async def test_a_number_has_one_pseudonym_for_source_system_and_citizen_alike(door: Door):
    cpr = adult()
    first = await resolve(door, cpr)
    assert first.status_code == 200
    hyphened = await resolve(door, f"{cpr[:6]}-{cpr[6:]}")
    me = await door.citizen(cpr)
    assert first.json()["borger_id"] == hyphened.json()["borger_id"] == str(me.borger_id)
    assert (await resolve(door, adult())).json() != first.json()


async def test_of_many_who_ask_at_once_about_one_unknown_number_all_get_one_pseudonym(door: Door):
    cpr = adult()
    answers = await asyncio.gather(*(resolve(door, cpr) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == len(await door.rows("SELECT 1 FROM citizen")) == 1


async def test_every_resolution_is_on_the_record_without_the_number(door: Door):
    cpr = adult()
    known = (await resolve(door, cpr)).json()["borger_id"]
    await resolve(door, cpr)
    entries = await door.told("audit.entries")
    assert [(kind, entry["subject"], entry["actor"], entry["unit"]) for kind, entry in entries] == [
        ("citizen.resolved", known, "fasit", "BIF-JOBINDSATS")
    ] * 2
    assert cpr not in json.dumps(entries)


@pytest.mark.parametrize("cpr", ["0000000000", "123456789", "12345678901", "320180ABCD"])
async def test_what_is_no_number_is_refused_and_not_repeated(door: Door, cpr: str):
    answer = await resolve(door, cpr)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cpr")
    assert cpr not in answer.text
    assert await door.rows("SELECT 1 FROM citizen") == []


@pytest.mark.parametrize("role", ["citizen", "caseworker", "dpo", "administrator", "advis", "recipient_system"])
async def test_only_a_source_system_resolves(door: Door, role: str):
    assert (await resolve(door, adult(), issuer.token(role))).status_code == 403


async def test_the_number_is_not_in_the_database_in_clear(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    for table in ("citizen", "consent", "declaration", "receipt", "outbox", "idempotency", "consent_history"):
        found = await door.rows(f"SELECT 1 FROM {table} t WHERE t::text LIKE '%' || $1 || '%'", peter.cpr)
        assert found == [], table
    for table, column in (("outbox", "payload"), ("citizen", "cpr_ciphertext"), ("citizen", "cpr_lookup")):
        rows = await door.rows(f"SELECT {column} AS content FROM {table}")
        assert rows
        assert not [row for row in rows if peter.cpr.encode() in row["content"]]


# Reading


async def test_the_list_is_ones_own_newest_first_page_by_page(door: Door):
    peter, morten = await door.citizen(), await door.citizen()
    units = ["SOF-BCV", "SOF-HJEMLOESE", "SOF-RUSMIDDEL", "SOF-BCH", "SOF-PSYKIATRI"]
    for unit in units:
        assert (await door.grant(peter, recipient_unit=unit)).status_code == 201
    await door.grant(morten)
    path, seen, cursor = f"/v1/citizens/{peter.borger_id}/consents", [], None
    for _ in range(3):
        params = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = (await door.call("GET", path, peter.token, params=params)).json()
        seen += [item["recipient_unit"] for item in page["items"]]
        cursor = page["next"]
    assert seen == units[::-1]
    assert cursor is None


@pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", base64.urlsafe_b64encode(b'["2026-01-01",1]').decode()])
async def test_a_cursor_that_is_not_ours_is_refused(door: Door, cursor: str):
    peter = await door.citizen()
    for what in ("consents", "uses", "receipts"):
        path = f"/v1/citizens/{peter.borger_id}/{what}"
        answer = await door.call("GET", path, peter.token, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


async def test_a_consent_past_its_end_reads_expired_before_any_job_has_said_so(door: Door):
    peter = await door.citizen()
    consent = (await door.grant(peter)).json()["consent"]
    async with door.app.state.database.write() as session:
        await session.exec_driver_sql("UPDATE consent SET valid_until = now() - interval '1 second'")
    path = f"/v1/citizens/{peter.borger_id}/consents"
    detail = (await door.call("GET", f"{path}/{consent['consent_id']}", peter.token)).json()
    assert detail["status"] == "expired"
    listed = (await door.call("GET", path, peter.token, params={"status": "expired"})).json()
    assert [item["consent_id"] for item in listed["items"]] == [consent["consent_id"]]
    active = (await door.call("GET", path, peter.token, params={"status": "active"})).json()
    assert active["items"] == []


async def test_a_consent_is_shown_with_its_history_and_revision(door: Door):
    peter = await door.citizen()
    first = (await door.grant(peter)).json()["consent"]
    await door.grant(peter)
    path = f"/v1/citizens/{peter.borger_id}/consents/{first['consent_id']}"
    answer = await door.call("GET", path, peter.token)
    assert [(line["status"], line["reason"]) for line in answer.json()["history"]] == [
        ("active", None),
        ("closed", "superseded"),
    ]
    assert answer.headers["ETag"] == f'"{answer.json()["revision"]}"'


async def test_another_citizens_consent_is_not_there(door: Door):
    peter, morten = await door.citizen(), await door.citizen()
    consent = (await door.grant(peter)).json()["consent"]["consent_id"]
    paths = [
        f"/v1/citizens/{peter.borger_id}/consents/{consent}",
        f"/v1/citizens/{morten.borger_id}/consents/{consent}",
        f"/v1/citizens/{morten.borger_id}/consents/{uuid4()}",
        f"/v1/citizens/{peter.borger_id}/consents",
        f"/v1/citizens/{peter.borger_id}/uses",
        f"/v1/citizens/{peter.borger_id}/receipts",
        f"/v1/citizens/{uuid4()}/receipts",
    ]
    answers = [await door.call("GET", path, morten.token) for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


async def test_every_look_is_on_the_record(door: Door):
    peter = await door.citizen()
    consent = (await door.grant(peter)).json()["consent"]["consent_id"]
    base = f"/v1/citizens/{peter.borger_id}"
    for path in ("consents", f"consents/{consent}", "uses", "receipts"):
        await door.call("GET", f"{base}/{path}", peter.token)
    kinds = [kind for kind, entry in await door.told("audit.entries") if entry["action"] == "R"]
    assert kinds == ["citizen.resolved", "consents.listed", "consent.read", "uses.listed", "receipts.listed"]


async def use(door: Door, borger_id: UUID, actor: str, at: datetime, count: int = 1, **outcome: int) -> UUID:
    notification = uuid4()
    async with door.app.state.database.write() as session:
        await session.exec_driver_sql(
            "INSERT INTO use_log (notification_id, borger_id, actor, kind, day, purpose, recipient_unit, holder_unit,"
            " categories, event_type, consent_ids, count, not_sent, unknown, first_at, last_at) VALUES ($1, $2, $3,"
            " 'inbox', $4, 'KOORDINERING', 'SOF-BCV', 'BIF-JOBINDSATS', '{FREMMOEDE}', 'bif.forloeb.udeblevet',"
            " '{}', $5, $6, $7, $8, $8)",
            (
                *(notification, borger_id, actor, at.date(), count),
                *(outcome.get("not_sent", 0), outcome.get("unknown", 0), at),
            ),
        )
    return notification


async def test_uses_say_what_to_whom_and_when_but_not_which_employee(door: Door):
    peter, now = await door.citizen(), datetime.now(UTC)
    await use(door, peter.borger_id, "sof101", now - timedelta(hours=2), 3)
    await use(door, peter.borger_id, "sof102", now - timedelta(hours=1), 2, unknown=2)
    await use(door, uuid4(), "sof101", now)
    path = f"/v1/citizens/{peter.borger_id}/uses"
    answer = await door.call("GET", path, peter.token)
    found = [
        (item["recipient_unit"], item["categories"], item["count"], item["outcome"]) for item in answer.json()["items"]
    ]
    assert found == [("SOF-BCV", ["FREMMOEDE"], 2, "unknown"), ("SOF-BCV", ["FREMMOEDE"], 3, "disclosed")]
    assert "sof10" not in answer.text
    first = (await door.call("GET", path, peter.token, params={"limit": 1})).json()
    second = (await door.call("GET", path, peter.token, params={"limit": 1, "cursor": first["next"]})).json()
    assert [first["items"][0]["count"], second["items"][0]["count"], second["next"]] == [2, 3, None]


# Keys to take elsewhere


def consent_as_issuer(door: Door, audience: str) -> TokenVerifier:
    signer = door.app.state.signer
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=signer.jwks())))
    return TokenVerifier([TrustedIssuer(signer.issuer, f"{signer.issuer}/jwks")], audience, client=client)


async def test_a_citizen_takes_a_short_token_to_audit_that_holds_no_number(door: Door):
    peter = await door.citizen()
    answer = await door.call("POST", "/v1/me/access-tokens", peter.token, json={"audience": "audit"})
    assert (answer.status_code, answer.json()["expires_in"]) == (201, 300)
    token = answer.json()["access_token"]
    principal = await consent_as_issuer(door, "audit").verify(token)
    assert (principal.subject, principal.roles) == (str(peter.borger_id), frozenset({"citizen"}))
    assert principal.claims["exp"] <= time.time() + 301
    assert peter.cpr not in json.dumps(dict(principal.claims))


async def test_that_token_opens_nothing_here_and_no_other_audience_is_served(door: Door):
    peter = await door.citizen()
    for audience in ("advis", "consent", ""):
        answer = await door.call("POST", "/v1/me/access-tokens", peter.token, json={"audience": audience})
        assert answer.status_code == 422
    token = (await door.call("POST", "/v1/me/access-tokens", peter.token, json={"audience": "audit"})).json()
    assert (await door.call("GET", "/v1/me", token["access_token"])).status_code == 401
    staff = issuer.token("caseworker")
    assert (await door.call("POST", "/v1/me/access-tokens", staff, json={"audience": "audit"})).status_code == 403


async def test_the_public_keys_are_open_and_public(door: Door):
    answer = await door.call("GET", "/.well-known/jwks.json")
    assert answer.status_code == 200
    [key] = answer.json()["keys"]
    assert (key["kty"], key["crv"], key["kid"]) == ("OKP", "Ed25519", "receipts-1")
    assert "d" not in key
    KeySet.import_key_set(answer.json())


async def test_the_catalogue_is_for_everybody_logged_in_and_for_nobody_else(door: Door):
    assert (await door.call("GET", "/v1/catalogue")).status_code == 401
    answer = await door.call("GET", "/v1/catalogue", issuer.token("caseworker"))
    document = answer.json()
    assert {unit["code"] for unit in document["units"]} >= {"BIF-JOBINDSATS", "SOF-BOLIGRAADGIVNING"}
    text = next(text for text in document["texts"] if text["code"] == "KOORDINERING")
    assert text["languages"]["en"]["body"].endswith("It does not affect your benefits or your help.")


async def test_a_number_of_somebody_not_yet_born_is_no_number_at_any_door(door: Door):
    """F37, at each door that takes a number: `citizens:resolve`, requests, authorities, attestations and the token."""
    ahead = number(date.today().replace(year=date.today().year + 1, day=1))  # noqa: DTZ011 - a year from any today
    named = {"citizen": {"cpr": ahead}, "representative": {"cpr": adult()}, "kind": "fuldmagt", "evidence": "SOF-26-1"}
    refused = (
        await resolve(door, ahead),
        await door.call(
            "POST", "/v1/authorities", FIRST, headers={KEY: uuid4().hex}, json={**named, "valid_from": "2026-01-01"}
        ),
    )
    for answer in refused:
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
            422,
            "begins with a date that lies ahead",
        )
    assert (await door.call("GET", "/v1/me", issuer.citizen(ahead))).status_code == 403
