"""The log over HTTP: everything a verifier needs, checked here with tree code that is not the service's own."""

import base64
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import httpx2
import pytest

from libs.cli.verifying.audit_tree import Frontier as OtherTree
from libs.common.database.database import Database
from services.audit.checkpoints.key import LogKey
from services.audit.checkpoints.signer import Signer
from services.audit.log.consumer import EntryHandler
from services.audit.model.errors import ProofError
from services.audit.settings import Settings
from services.audit.tree.proof import verify_consistency, verify_inclusion
from services.audit.tree.tree import leaf_hash
from tests.audit.world.doors import bearer, citizen, door
from tests.audit.world.records import MORTEN, a_delivery, bodies, ingest

SIZE = 300
AUDITOR = bearer("auditor")
PATHS = ("/v1/leaves", "/v1/batches", "/v1/entries/0/proof", "/v1/consistency?from=1&to=2", "/v1/completeness")


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with door(settings) as client:
        yield client


@pytest.fixture
async def filled(handler: EntryHandler, database: Database, log_key: LogKey) -> None:
    for first in range(1, SIZE, 100):
        await ingest(handler, database, [a_delivery(n) for n in range(first, first + 100)])
    await Signer(database, log_key, every_s=1, idle_s=0, memory=None).sign_once()


def raw(encoded: str) -> bytes:
    return base64.b64decode(encoded, validate=True)


async def get(client: httpx2.AsyncClient, path: str, headers: dict[str, str] = AUDITOR) -> httpx2.Response:
    return await client.get(path, headers=headers)


async def test_the_checkpoint_and_the_key_are_open_and_fit_each_other(
    client: httpx2.AsyncClient, filled: None, log_key: LogKey
) -> None:
    answer = await client.get("/v1/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert parsedate_to_datetime(answer.headers["last-modified"])
    assert log_key.open(answer.text).size == SIZE
    assert (await client.get("/v1/log-key")).json() == {"origin": log_key.name, "vkey": log_key.vkey}


async def test_before_the_first_checkpoint_there_is_none(client: httpx2.AsyncClient, settings: Settings) -> None:
    for path in ("/v1/checkpoint", "/v1/log-key"):
        assert (await client.get(path)).status_code == 503


async def test_a_verifier_can_page_through_everything_and_arrive_at_the_signed_root(
    client: httpx2.AsyncClient, filled: None, log_key: LogKey, database: Database
) -> None:
    tree, start = OtherTree(), 0
    while start is not None:
        page = (await get(client, f"/v1/leaves?from={start}&limit=130")).json()
        assert page["size"] == SIZE
        for leaf in page["leaves"]:
            assert leaf["index"] == tree.size
            tree.append(raw(leaf["leaf"]))
        start = page["next"]
    assert tree.root == log_key.open((await client.get("/v1/checkpoint")).text).root
    batches = (await get(client, "/v1/batches")).json()
    assert [(b["tree_size"], b["prev_size"]) for b in batches["batches"]] == [
        (0, None),
        (100, 0),
        (200, 100),
        (300, 200),
    ]
    for batch in batches["batches"]:
        assert raw(batch["root"]) == OtherTree.of((await bodies(database))[: batch["tree_size"]]).root
    assert batches["next"] is None


async def test_batches_are_paged_by_size(client: httpx2.AsyncClient, filled: None) -> None:
    page = (await get(client, "/v1/batches?from=1&limit=2")).json()
    assert ([b["tree_size"] for b in page["batches"]], page["next"]) == ([100, 200], 300)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 299])
async def test_an_inclusion_proof_verifies_under_the_checkpoint_that_comes_with_it(
    client: httpx2.AsyncClient, filled: None, log_key: LogKey, index: int
) -> None:
    answer = (await get(client, f"/v1/entries/{index}/proof")).json()
    head = log_key.open(answer["checkpoint"])
    assert (answer["index"], answer["tree_size"], raw(answer["root"])) == (index, head.size, head.root)
    proof = [raw(node) for node in answer["proof"]]
    verify_inclusion(leaf_hash(raw(answer["leaf"])), index, head.size, proof=proof, root=head.root)
    with pytest.raises(ProofError):
        verify_inclusion(leaf_hash(b"another"), index, head.size, proof=proof, root=head.root)


@pytest.mark.parametrize(("old", "new"), [(1, 300), (100, 200), (255, 257), (256, 300), (300, 300), (17, 18)])
async def test_a_consistency_proof_verifies_between_any_two_sizes(
    client: httpx2.AsyncClient, filled: None, database: Database, old: int, new: int
) -> None:
    answer = (await get(client, f"/v1/consistency?from={old}&to={new}")).json()
    stored = await bodies(database)
    old_root, new_root = OtherTree.of(stored[:old]).root, OtherTree.of(stored[:new]).root
    assert (raw(answer["from_root"]), raw(answer["to_root"])) == (old_root, new_root)
    proof = [raw(node) for node in answer["proof"]]
    verify_consistency(old, new, proof=proof, old_root=old_root, new_root=new_root)


async def test_what_is_beyond_the_log_or_out_of_order_is_named(client: httpx2.AsyncClient, filled: None) -> None:
    for query, field in (("from=1&to=301", "to"), ("from=5&to=4", "from"), ("from=0&to=4", "from")):
        answer = await get(client, f"/v1/consistency?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"].split(".")[-1]) == (422, field)
    assert (await get(client, "/v1/entries/300/proof")).status_code == 404
    assert (await get(client, "/v1/leaves?limit=2001")).status_code == 422


async def test_an_entry_that_no_checkpoint_covers_yet_has_no_proof_yet(
    client: httpx2.AsyncClient, filled: None, handler: EntryHandler, database: Database
) -> None:
    await ingest(handler, database, [a_delivery(SIZE + 1)])
    assert (await get(client, f"/v1/entries/{SIZE}/proof")).status_code == 409


async def test_completeness_says_what_is_missing(
    client: httpx2.AsyncClient, handler: EntryHandler, database: Database
) -> None:
    await ingest(handler, database, [a_delivery(1), a_delivery(4), a_delivery(1, producer="advis", lane=0)])
    lanes = (await get(client, "/v1/completeness")).json()["lanes"]
    assert [(lane["producer"], lane["lane"], lane["highest"]) for lane in lanes] == [("advis", 0, 1), ("consent", 3, 4)]
    (missing,) = lanes[1]["missing"]
    assert (missing["first"], missing["last"], missing["reported"]) == (2, 3, False)


@pytest.mark.parametrize("path", PATHS)
async def test_who_verifies_may_read_and_nobody_else(client: httpx2.AsyncClient, filled: None, path: str) -> None:
    for headers in (AUDITOR, bearer("dpo")):
        assert (await get(client, path, headers)).status_code == 200
    assert (await client.get(path)).status_code == 401
    for headers in (bearer("caseworker"), bearer("administrator"), bearer("dpo", "administrator"), citizen(MORTEN)):
        assert (await get(client, path, headers)).status_code == 403
