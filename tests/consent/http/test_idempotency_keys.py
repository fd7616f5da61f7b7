"""A key is one request, wherever a door takes one: with another it is a 409, and repeated it answers the same."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.consent.attestations.test_attestations import REFUSAL, say
from tests.consent.citizens.test_vault import key as key_of_bytes
from tests.consent.http.test_contract import WRITES, Operation, named
from tests.consent.world.basis_door import CASEWORKER, recorded
from tests.consent.world.door import KEY, Door, opened
from tests.consent.world.staff import authorised
from tests.servers import TestDatabase
from tests.tree import ROOT

SPEAKING_HTTP = sorted(
    path
    for path in ROOT.glob("services/*/*/*.py")
    if re.search(r"^from (fastapi|starlette)", path.read_text(), re.MULTILINE)
)
A_YES = {"/v1/citizens/{borger_id}/consents", "/v1/citizens/{borger_id}/requests/{request_id}:answer"}
DRAINING = [item for item in WRITES if "in flight" in item.spec["responses"].get("202", {}).get("description", "")]


def endpoints() -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    """Every function of a door that takes a key."""
    for path in SPEAKING_HTTP:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef):
                arguments = [*node.args.args, *node.args.kwonlyargs]
                if any(argument.arg == "idempotency_key" for argument in arguments):
                    yield f"{path.parent.name}.{path.stem}.{node.name}", node


TAKING = dict(endpoints())


def test_as_many_doors_take_a_key_as_the_contract_says():
    """The catalogue's four take theirs in one dependency, which `test_catalogue_admin` proves."""
    taking = [item for item in WRITES if item.parameter("Idempotency-Key") and "/admin/" not in item.path]
    assert len(TAKING) == len(taking)


@pytest.mark.parametrize("name", TAKING)
def test_a_door_that_takes_a_key_uses_it(name: str):
    used = (node for body in TAKING[name].body for node in ast.walk(body) if isinstance(node, ast.Name))
    assert "idempotency_key" in {node.id for node in used}


@pytest.mark.parametrize("path", SPEAKING_HTTP, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_no_door_reads_a_header_of_the_contract_past_its_parameters(path: Path):
    words = {node.value.lower() for node in ast.walk(ast.parse(path.read_text())) if is_word(node)}
    assert not words & {"prefer", "idempotency-key", "if-match"} or path.stem == "preconditions"


def is_word(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@pytest.mark.parametrize("operation", DRAINING, ids=named)
def test_an_answer_that_may_wait_says_how_not_to_and_how_long_the_word_may_be(operation: Operation):
    """But for a yes to less than before, which always waits."""
    prefer = operation.parameter("Prefer")
    assert (prefer is None) is (operation.path in A_YES)
    assert prefer is None or prefer["schema"]["maxLength"] == 200


async def twice_and_for_another(door: Door, path: str, other: str, token: str) -> None:
    """The key of one request: the same answer when repeated, a 409 for another, which then is not done."""
    headers = {KEY: uuid4().hex}
    first, again, another = [
        await door.call("POST", address, token, headers=headers) for address in (path, path, other)
    ]
    assert (first.status_code, again.status_code, another.status_code) == (200, 200, 409), another.text
    assert again.json() == first.json()
    free = await door.call("POST", other, token, headers={KEY: uuid4().hex})
    assert free.status_code == 200, free.text


async def test_the_end_of_another_basis_has_a_key_of_its_own(door: Door):
    first, second = [await recorded(door, await door.citizen()) for _ in range(2)]
    await twice_and_for_another(door, f"/v1/other-bases/{first}:end", f"/v1/other-bases/{second}:end", CASEWORKER)


async def test_taking_back_another_power_of_attorney_has_a_key_of_its_own(door: Door):
    peter = await door.citizen()
    first, second = [await authorised(door, peter, await door.citizen()) for _ in range(2)]
    base = f"/v1/citizens/{peter.borger_id}/authorities"
    await twice_and_for_another(door, f"{base}/{first}:end", f"{base}/{second}:end", peter.token)


async def test_lifting_another_restriction_has_a_key_of_its_own(door: Door):
    peter = await door.citizen()
    base = f"/v1/citizens/{peter.borger_id}/restrictions"
    first, second = [
        (await door.call("POST", base, peter.token, json={"ground": ground})).json()["restriction_id"]
        for ground in ("legal_claim", "objection_pending")
    ]
    await twice_and_for_another(door, f"{base}/{first}:lift", f"{base}/{second}:lift", peter.token)


async def rotated(folder: Path) -> None:
    """A second version of the keys, which writes from now on."""
    document = json.loads((folder / "cpr-keys.json").read_text())
    for kind in ("lookup", "encryption"):
        document[kind]["2"] = key_of_bytes(7)
    (folder / "cpr-keys.json").write_text(json.dumps({**document, "active": "2"}))


async def test_an_honest_repetition_after_a_rotation_of_keys_is_one(
    consent_database: TestDatabase, secrets_folder: Path
):
    """72 hours pass over a rotation: the same request under the same key answers the same, another is a 409 still."""

    said_once = {"conversed_at": datetime.now(UTC).isoformat(), "headers": {KEY: "attested-once"}}

    async def asked(door: Door, **changes: str) -> httpx2.Response:
        body = {"citizen": {"cpr": peter.cpr}, "representative": {"cpr": anna.cpr}, "kind": "fuldmagt"}
        sent = {**body, "valid_from": "2026-01-01", "evidence": "SOF-26-1", **changes}
        return await door.call("POST", "/v1/authorities", CASEWORKER, headers={KEY: "authority-once"}, json=sent)

    async with opened(consent_database.url, secrets_folder) as door:
        peter, anna = await door.citizen(), await door.citizen()
        first, said = await asked(door), await say(door, peter.cpr, REFUSAL, **said_once)
        assert (first.status_code, said.status_code) == (201, 200), said.text
    await rotated(secrets_folder)
    async with opened(consent_database.url, secrets_folder) as door:
        again, repeated = await asked(door), await say(door, peter.cpr, REFUSAL, **said_once)
        assert (again.status_code, again.json()) == (201, first.json())
        assert (repeated.status_code, repeated.json()) == (200, said.json()), repeated.text
        assert (await asked(door, evidence="SOF-26-2")).status_code == 409
