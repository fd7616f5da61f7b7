"""R29: keyed hashes and sealed numbers, their keys changed without losing anybody."""

import base64
import json
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from services.consent.citizens.vault import Sealed, Vault, VaultError
from services.consent.model.cpr import parse
from services.consent.representation.api import AuthorityRequest
from tests.consent.world.door import KEY, Door, opened
from tests.consent.world.people import adult
from tests.consent.world.staff import employee
from tests.servers import TestDatabase


def key(byte: int, size: int = 32) -> str:
    return base64.b64encode(bytes([byte]) * size).decode()


def keys(active: str = "1", *versions: str, size: int = 32) -> dict:
    named = {version: key(int(version), size) for version in (versions or ("1",))}
    return {"lookup": named, "encryption": named, "active": active}


def vault(folder: Path, document: object) -> Vault:
    path = folder / "cpr-keys.json"
    path.write_text(json.dumps(document))
    return Vault.from_file(path)


def test_a_sealed_number_opens_for_its_own_row_only(tmp_path: Path):
    safe, number, owner = vault(tmp_path, keys()), parse(adult()), uuid4()
    sealed = safe.seal(number, owner)
    assert safe.open(sealed, owner) == number.digits
    with pytest.raises(VaultError):
        safe.open(sealed, uuid4())
    changed = Sealed(sealed.ciphertext[:-1] + bytes([sealed.ciphertext[-1] ^ 1]), sealed.key_version)
    with pytest.raises(VaultError):
        safe.open(changed, owner)
    with pytest.raises(VaultError):
        safe.open(Sealed(sealed.ciphertext, "9"), owner)


def test_the_same_number_sealed_twice_looks_different_and_is_found_by_one_hash(tmp_path: Path):
    safe, number, owner = vault(tmp_path, keys()), parse(adult()), uuid4()
    assert safe.seal(number, owner).ciphertext != safe.seal(number, owner).ciphertext
    assert safe.lookup(number) == safe.lookup(number)


def test_the_hash_needs_the_key(tmp_path: Path):
    number = parse(adult())
    first, second = vault(tmp_path, keys("1", "1")), vault(tmp_path, keys("2", "2"))
    assert first.lookup(number) != second.lookup(number)
    assert list(vault(tmp_path, keys("2", "1", "2", "3")).lookups(number)) == ["2", "3", "1"]


@pytest.mark.parametrize(
    "document", [[], {}, keys("2", "1"), keys("1", "1", size=16), {**keys(), "lookup": {"1": "no base64!"}}]
)
def test_without_whole_keys_nothing_starts(tmp_path: Path, document: object):
    with pytest.raises(VaultError):
        vault(tmp_path, document)


async def test_a_citizen_is_the_same_after_the_keys_have_changed_and_moves_to_the_new_one(
    consent_database: TestDatabase, secrets_folder: Path
):
    cpr = adult()
    async with opened(consent_database.url, secrets_folder) as door:
        before = (await door.citizen(cpr)).borger_id
    document = json.loads((secrets_folder / "cpr-keys.json").read_text())
    for kind in ("lookup", "encryption"):
        document[kind]["2"] = key(7)
    (secrets_folder / "cpr-keys.json").write_text(json.dumps({**document, "active": "2"}))
    async with opened(consent_database.url, secrets_folder) as door:
        assert (await door.citizen(cpr)).borger_id == before
        [row] = await door.rows("SELECT lookup_key_version, encryption_key_version, cpr_ciphertext FROM citizen")
        assert (row["lookup_key_version"], row["encryption_key_version"]) == ("2", "2")
        assert door.app.state.vault.open(Sealed(row["cpr_ciphertext"], "2"), before) == cpr
        assert (await door.citizen()).borger_id != before


async def test_what_a_repeated_request_is_known_by_cannot_be_guessed_from_a_number(door: Door):
    """The hash that an idempotency key stands for is keyed where the body holds a number: trying them all is no use."""
    citizen, representative = await door.citizen(), await door.citizen()
    body = {
        "citizen": {"cpr": citizen.cpr},
        "representative": {"cpr": representative.cpr},
        "kind": "vaerge",
        "valid_from": "2026-01-01",
        "evidence": "SOF-26-9",
    }
    token = employee("kk101", "citizen_service")
    answer = await door.call("POST", "/v1/authorities", token, headers={KEY: uuid4().hex}, json=body)
    assert answer.status_code == 201, answer.text
    (row,) = await door.rows("SELECT request_sha256 FROM idempotency WHERE actor = 'employee:kk101'")
    sent = AuthorityRequest.model_validate(body).model_dump_json()
    content = f"authority\nkk101\n{sent}"
    assert row["request_sha256"] != sha256(content.encode()).hexdigest()
    assert row["request_sha256"] == door.app.state.vault.fingerprints(content)[0]
