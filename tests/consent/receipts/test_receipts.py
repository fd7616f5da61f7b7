"""P5: receipts that anybody can verify offline, with somebody else's code (joserfc and rfc8785)."""

import asyncio
import base64
import hashlib
import json

import pytest
import rfc8785
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet, OKPKey

from services.consent.consents.record import record
from services.consent.http.signing import ReceiptKeysError, Signer
from services.consent.receipts.receipt import stamp
from tests.consent.world.door import Door
from tests.consent.world.examples import NOW, a_consent


async def keys(door: Door) -> KeySet:
    return KeySet.import_key_set((await door.call("GET", "/.well-known/jwks.json")).json())


def opened(receipt: str, key_set: KeySet) -> dict:
    verified = jws.deserialize_compact(receipt, key_set, algorithms=["Ed25519"])
    return json.loads(verified.payload)


def canonical_payload(receipt: str) -> bytes:
    part = receipt.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_a_grant_is_proved_by_a_receipt_that_verifies_with_the_public_keys(door: Door):
    peter = await door.citizen()
    granted = (await door.grant(peter)).json()
    said, consent = opened(granted["receipt"], await keys(door)), granted["consent"]
    assert (said["event"], said["sequence"], said["previous_receipt_sha256"]) == ("given", 1, None)
    assert (said["subject"], said["act"]["actor"], said["act"]["role"]) == (str(peter.borger_id),) * 2 + ("self",)
    assert (said["record"]["consent_id"], said["record"]["revision"]) == (consent["consent_id"], consent["revision"])
    assert said["notice"] == consent["text"]
    assert [item["code"] for item in said["categories"]] == consent["categories"]
    assert said["controller"] == {"name": "Københavns Kommune", "cvr": "64942212"}
    assert said["issuer"] == "https://consent.test"
    assert said["withdrawal"]["path"].endswith(f"{consent['consent_id']}:withdraw")


async def test_the_payload_is_rfc_8785_canonical_to_the_byte(door: Door):
    receipt = (await door.grant(await door.citizen())).json()["receipt"]
    content = canonical_payload(receipt)
    assert rfc8785.dumps(json.loads(content)) == content


async def test_a_receipt_names_its_record_by_the_hash_of_the_revision_in_the_history(door: Door):
    receipt = (await door.grant(await door.citizen())).json()["receipt"]
    [row] = await door.rows("SELECT snapshot FROM consent_history")
    expected = hashlib.sha256(rfc8785.dumps(json.loads(row["snapshot"]))).hexdigest()
    assert opened(receipt, await keys(door))["record"]["sha256"] == expected


async def test_receipts_of_a_citizen_form_a_chain_and_each_citizen_has_their_own(door: Door):
    peter, morten = await door.citizen(), await door.citizen()
    for unit in ("SOF-BCV", "SOF-BCH", "SOF-RUSMIDDEL"):
        await door.grant(peter, recipient_unit=unit)
    await door.grant(morten)
    key_set = await keys(door)
    page = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/receipts", peter.token)).json()
    chain = [item["jws"] for item in reversed(page["items"])]
    said = [opened(receipt, key_set) for receipt in chain]
    assert [item["sequence"] for item in said] == [1, 2, 3]
    previous = [None, *(hashlib.sha256(receipt.encode()).hexdigest() for receipt in chain[:-1])]
    assert [item["previous_receipt_sha256"] for item in said] == previous
    [mortens] = await door.rows("SELECT sequence FROM receipt WHERE borger_id = $1", morten.borger_id)
    assert mortens["sequence"] == 1


async def test_acts_at_once_in_different_scopes_make_one_chain_without_a_fork(door: Door):
    peter = await door.citizen()
    await door.text("KOORDINERING")
    units = ("SOF-BCV", "SOF-BCH", "SOF-RUSMIDDEL", "SOF-PSYKIATRI", "SOF-HJEMLOESE", "SOF-BOLIG-BESK")
    answers = await asyncio.gather(*(door.grant(peter, recipient_unit=unit) for unit in units))
    assert {answer.status_code for answer in answers} == {201}
    chain = [row["jws"] for row in await door.rows("SELECT jws FROM receipt ORDER BY sequence")]
    said = [opened(receipt, await keys(door)) for receipt in chain]
    assert [item["sequence"] for item in said] == [1, 2, 3, 4, 5, 6]
    hashes = [hashlib.sha256(receipt.encode()).hexdigest() for receipt in chain]
    assert [item["previous_receipt_sha256"] for item in said] == [None, *hashes[:-1]]


async def test_a_renewal_and_a_withdrawal_have_receipts_of_their_own_kind(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    consent = (await door.grant(peter)).json()["consent"]["consent_id"]
    path = f"/v1/citizens/{peter.borger_id}/consents/{consent}:withdraw"
    withdrawn = await door.call("POST", path, peter.token)
    assert withdrawn.status_code == 200, withdrawn.text
    rows = await door.rows("SELECT event FROM receipt ORDER BY sequence")
    assert [row["event"] for row in rows] == ["given", "renewed", "withdrawn"]
    assert opened(withdrawn.json()["receipt"], await keys(door))["status"] == "withdrawn"


async def test_no_receipt_holds_a_number(door: Door):
    peter = await door.citizen()
    receipt = (await door.grant(peter)).json()["receipt"]
    assert peter.cpr.encode() not in canonical_payload(receipt)


def test_a_receipt_that_was_changed_by_one_character_does_not_verify():
    signer = Signer((OKPKey.generate_key("Ed25519", {"kid": "a"}),), "https://consent.test")
    receipt = signer.receipt({"sequence": 1})
    head, _, signature = receipt.split(".")
    forged = base64.urlsafe_b64encode(rfc8785.dumps({"sequence": 2})).decode().rstrip("=")
    key_set = KeySet.import_key_set(signer.jwks())
    assert opened(receipt, key_set) == {"sequence": 1}
    with pytest.raises(BadSignatureError):
        opened(f"{head}.{forged}.{signature}", key_set)


def test_a_retired_key_still_verifies_what_it_signed_and_signs_no_more():
    old, new = (OKPKey.generate_key("Ed25519", {"kid": kid}) for kid in ("old", "new"))
    before, after = Signer((old,), "x"), Signer((old, new), "x")
    key_set = KeySet.import_key_set(after.jwks())
    assert opened(before.receipt({"n": 1}), key_set) == {"n": 1}
    assert jws.extract_compact(after.receipt({"n": 2}).encode()).headers()["kid"] == "new"


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "{}",
        '{"keys": []}',
        json.dumps({"keys": [OKPKey.generate_key("Ed25519", {"kid": "a"}).as_dict(private=False)]}),
        json.dumps({"keys": [OKPKey.generate_key("X25519", {"kid": "a"}).as_dict(private=True)]}),
        json.dumps({"keys": [OKPKey.generate_key("Ed25519", auto_kid=False).as_dict(private=True)]}),
    ],
)
def test_without_whole_keys_nothing_starts(tmp_path, content: str):
    path = tmp_path / "receipt-keys.json"
    path.write_text(content)
    with pytest.raises(ReceiptKeysError):
        Signer.from_file(path, "x")


def test_times_in_what_is_signed_have_one_form():
    assert stamp(NOW) == "2026-11-22T10:00:00Z"
    assert record(a_consent())["requested_at"] == "2026-11-21T10:00:00Z"
