"""What a leaf commits to: opens with exactly the right salt and value, in its own leaf and field, and nowhere else."""

import hashlib
import hmac
import json
import os
from typing import Any

import pytest

from services.audit.keys.vault import PersonKey, SealError, Vault, seal, unseal
from services.audit.leaves.canonical import canonical
from services.audit.leaves.entry import LEAF_ID_BYTES, Gap, Person, commitment, holders_of, opens
from services.audit.log.incoming import read
from services.audit.log.maker import Leaf, LeafMaker, persons_of
from services.audit.model.errors import EntryError
from tests.audit.conftest import ORIGIN
from tests.audit.world.records import MORTEN, NOW, a_delivery, an_entry

SALT, LEAF_ID, VALUE = b"s" * 32, b"l" * 16, b'"bif101"'
COMMITTED = commitment(SALT, LEAF_ID, "actor", VALUE)


def keys_for(vault: Vault, *persons: Person) -> dict[Person, PersonKey]:
    made = {person: vault.new_key(person) for person in persons}
    return {person: vault.unwrap(key.ref, key.wrapped_dek) for person, key in made.items()}


def a_leaf(maker: LeafMaker, vault: Vault, **changed: Any) -> tuple[Leaf, dict[Person, PersonKey]]:
    one = read(a_delivery(7, an_entry(**changed)))
    keys = keys_for(vault, *persons_of(one.act))
    recorded_at = "2026-11-22T08:30:05Z"
    return maker.make(one.act, recorded_at=recorded_at, keys=keys, numbered=one.numbered, place=one.place), keys


def test_the_formula_is_the_published_one() -> None:
    message = b"audit/v1" + LEAF_ID + b"actor" + b"\0" + VALUE
    assert hmac.new(SALT, message, hashlib.sha256).hexdigest() == COMMITTED


def test_the_right_opening_opens_and_no_other_does() -> None:
    assert opens(COMMITTED, SALT, LEAF_ID, name="actor", value=VALUE)
    assert not opens(COMMITTED, b"t" * 32, LEAF_ID, name="actor", value=VALUE)
    assert not opens(COMMITTED, SALT, LEAF_ID, name="actor", value=b'"bif102"')


def test_an_opening_moved_to_another_leaf_or_field_is_refused() -> None:
    assert not opens(COMMITTED, SALT, b"m" * 16, name="actor", value=VALUE)
    assert not opens(COMMITTED, SALT, LEAF_ID, name="subject", value=VALUE)


@pytest.mark.parametrize("salt", [b"", b"s" * 31, b"s" * 33, SALT + b"\0", b"s" * 64])
def test_a_salt_that_is_not_exactly_32_bytes_never_opens_and_never_commits(salt: bytes) -> None:
    assert not opens(COMMITTED, salt, LEAF_ID, name="actor", value=VALUE)
    with pytest.raises(EntryError, match="salt_length"):
        commitment(salt, LEAF_ID, "actor", VALUE)


def test_hmac_itself_would_have_taken_a_padded_salt() -> None:
    """Why the length is checked at all."""
    message = b"audit/v1" + LEAF_ID + b"actor" + b"\0" + VALUE
    assert hmac.digest(SALT + b"\0", message, "sha256") == hmac.digest(SALT, message, "sha256")


def test_a_leaf_says_nothing_about_whom(maker: LeafMaker, vault: Vault) -> None:
    entry = an_entry()
    leaf, _ = a_leaf(maker, vault, id=entry.id)
    for secret in (str(MORTEN), "bif101", "BIF-JOBINDSATS", "permit_id", "c0ffee00", str(entry.id)):
        assert secret.encode() not in leaf.body
        for sealed in leaf.openings:
            assert secret.encode() not in sealed.ciphertext


def test_a_leaf_has_every_member_of_the_published_format_and_no_other(maker: LeafMaker, vault: Vault) -> None:
    leaf, _ = a_leaf(maker, vault)
    document = json.loads(leaf.body)
    assert canonical(document) == leaf.body
    assert set(document) == {
        *("v", "log", "id", "tenant", "schema", "type", "action", "outcome", "occurred_at", "recorded_at"),
        *("actor_role", "purposes", "legal_basis", "notice_sha256", "retention_class"),
        *("producer", "generation", "lane", "number", "src", "gap", "sd"),
    }
    assert set(document["sd"]) == {"subject", "actor", "unit", "objects", "reason", "correlation_id", "entry_id"}
    assert document["occurred_at"] == "2026-11-22T08:30:00Z"
    assert document["src"] == {"topic": "audit.entries", "partition": 0, "offset": 7}
    assert (document["producer"], document["generation"], document["lane"], document["number"]) == ("consent", 1, 3, 7)


def test_the_same_act_twice_shares_no_commitment_and_no_id(maker: LeafMaker, vault: Vault) -> None:
    entry = an_entry()
    first, second = (json.loads(a_leaf(maker, vault, id=entry.id)[0].body) for _ in range(2))
    assert first["id"] != second["id"]
    assert not set(first["sd"].values()) & set(second["sd"].values())
    assert len(set(first["sd"].values())) == len(first["sd"])


def test_every_commitment_opens_with_what_was_sealed(maker: LeafMaker, vault: Vault) -> None:
    leaf, keys = a_leaf(maker, vault)
    document = json.loads(leaf.body)
    by_ref = {key.ref: key for key in keys.values()}
    leaf_id, found = bytes.fromhex(document["id"]), {}
    for sealed in leaf.openings:
        found |= unseal(by_ref[sealed.ref], sealed, log=ORIGIN, leaf_id=leaf_id)
    assert found.keys() == document["sd"].keys()
    for name, (salt, value) in found.items():
        assert opens(document["sd"][name], salt, leaf_id, name=name, value=canonical(value))


def test_the_actor_is_under_the_actors_key_and_all_else_under_the_subjects(maker: LeafMaker, vault: Vault) -> None:
    leaf, keys = a_leaf(maker, vault)
    leaf_id = bytes.fromhex(json.loads(leaf.body)["id"])
    held = {
        person.kind: set(unseal(key, sealed, log=ORIGIN, leaf_id=leaf_id))
        for person, key in keys.items()
        for sealed in leaf.openings
        if sealed.ref == key.ref
    }
    assert held["actor"] == {"actor"}
    assert held["subject"] == {"subject", "unit", "objects", "reason", "correlation_id", "entry_id"}


def test_a_citizens_own_act_is_the_citizens_alone() -> None:
    citizen = Person("subject", str(MORTEN))
    assert holders_of({"actor": "citizen", "subject": str(MORTEN)}) == (citizen, citizen)


def test_an_act_about_nobody_is_the_actors_and_one_without_an_actor_is_refused() -> None:
    assert set(holders_of({"actor": "consent"})) == {Person("actor", "consent")}
    for private in ({}, {"actor": ""}, {"actor": None, "subject": "x"}):
        with pytest.raises(EntryError, match="no_actor"):
            holders_of(private)


def test_an_opening_moved_to_another_leaf_log_or_person_stays_closed(vault: Vault) -> None:
    mine, other = keys_for(vault, Person("subject", "a"), Person("subject", "b")).values()
    leaf_id = os.urandom(LEAF_ID_BYTES)
    sealed = seal(mine, {"actor": (SALT, "bif101")}, log=ORIGIN, leaf_id=leaf_id)
    assert unseal(mine, sealed, log=ORIGIN, leaf_id=leaf_id) == {"actor": (SALT, "bif101")}
    for key, log, leaf in ((other, ORIGIN, leaf_id), (mine, "another/log", leaf_id), (mine, ORIGIN, LEAF_ID)):
        with pytest.raises(SealError):
            unseal(key, sealed, log=log, leaf_id=leaf)
    with pytest.raises(SealError):
        unseal(mine, sealed._replace(ciphertext=sealed.ciphertext[:-1] + b"\0"), log=ORIGIN, leaf_id=leaf_id)


def test_a_wrapped_key_unwraps_for_its_own_reference_and_vault_only(vault: Vault) -> None:
    first, second = vault.new_key(Person("subject", "a")), vault.new_key(Person("subject", "b"))
    assert vault.unwrap(first.ref, first.wrapped_dek).ref == first.ref
    with pytest.raises(SealError):
        vault.unwrap(second.ref, first.wrapped_dek)
    with pytest.raises(SealError):
        Vault(os.urandom(32), os.urandom(32)).unwrap(first.ref, first.wrapped_dek)


def test_a_lookup_needs_the_index_key_and_tells_kinds_apart(vault: Vault) -> None:
    person = Person("subject", str(MORTEN))
    assert vault.lookup(person) == vault.lookup(Person("subject", str(MORTEN)))
    assert vault.lookup(person) != vault.lookup(Person("actor", str(MORTEN)))
    assert vault.lookup(person) != Vault(os.urandom(32), os.urandom(32)).lookup(person)


def test_a_vault_needs_two_different_whole_keys() -> None:
    key = os.urandom(32)
    for kek, index in ((key, key), (key, key[:31]), (b"", key)):
        with pytest.raises(ValueError, match="32 bytes"):
            Vault(kek, index)


def test_a_leaf_about_nobody_has_no_opening(maker: LeafMaker) -> None:
    (leaf,) = maker.gaps("gap.opened", [Gap("consent", 1, 3, 5, 9)], NOW)
    document = json.loads(leaf.body)
    assert (document["sd"], leaf.openings, document["producer"], document["number"]) == ({}, (), "audit-log", None)
    assert document["gap"] == {"producer": "consent", "generation": 1, "lane": 3, "first": 5, "last": 9}
