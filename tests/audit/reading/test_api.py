"""Entries opened: for the data protection officer, and each citizen's own; both recorded, neither for anyone else."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest

from libs.common.database.database import Database
from services.audit.keys.vault import Vault, seal
from services.audit.leaves.entry import Person
from services.audit.log.consumer import EntryHandler
from services.audit.settings import Settings
from tests.audit.conftest import ORIGIN
from tests.audit.world.doors import CONSENT, STAFF, bearer, citizen, door
from tests.audit.world.records import HANS, MORTEN, NOW, a_delivery, an_entry, ingest, rows
from tests.servers import Postgres, TestDatabase

OFFICER = bearer("dpo", subject="kk901")


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with door(settings) as client:
        yield client


@pytest.fixture
async def filled(handler: EntryHandler, database: Database) -> None:
    entries = [
        an_entry(type="consent.granted", actor="citizen", actor_role="citizen"),
        an_entry(actor="bif101"),
        an_entry(subject=HANS, actor="bif101"),
        an_entry(subject=HANS, actor="sof202", occurred_at=NOW.replace(year=2027)),
        an_entry(subject=None, type="holder.registered", actor="local", actor_role="supervisor"),
    ]
    await ingest(handler, database, [a_delivery(number, entry) for number, entry in enumerate(entries, start=1)])


async def search(client: httpx2.AsyncClient, headers: dict[str, str] = OFFICER, **query: object) -> httpx2.Response:
    return await client.get("/v1/entries", params={k: str(v) for k, v in query.items()}, headers=headers)


async def indices(client: httpx2.AsyncClient, **query: object) -> list[int]:
    answer = await search(client, **query)
    assert answer.status_code == 200, answer.text
    return [item["index"] for item in answer.json()["items"]]


async def recorded(database: Database) -> list[dict[str, object]]:
    return [json.loads(row.payload) for row in await rows(database, "SELECT payload FROM outbox ORDER BY id")]


async def test_the_officer_finds_by_person_staff_type_and_time_newest_first(
    client: httpx2.AsyncClient, filled: None
) -> None:
    assert await indices(client, subject=MORTEN) == [1, 0]
    assert await indices(client, actor="bif101") == [2, 1]
    assert await indices(client, subject=HANS, actor="bif101") == [2]
    assert await indices(client, type="consent.granted") == [0]
    assert await indices(client, after="2027-01-01T00:00:00Z") == [3]
    assert await indices(client, before="2026-11-22T08:30:00Z", subject=MORTEN) == []
    assert await indices(client, after="2026-11-22T09:30:00+01:00", subject=MORTEN) == [1, 0]
    assert await indices(client, subject="00000000-0000-4000-8000-00000000dead") == []
    assert await indices(client, actor="nobody") == []
    assert await indices(client, actor=str(MORTEN)) == []


async def test_the_officer_reads_what_is_behind_the_commitments(client: httpx2.AsyncClient, filled: None) -> None:
    (item,) = (await search(client, subject=HANS, actor="bif101")).json()["items"]
    assert item["opened"].items() >= {"subject": str(HANS), "actor": "bif101", "unit": "BIF-JOBINDSATS"}.items()
    assert (item["missing"], item["mismatched"]) == ([], [])
    assert item["leaf"]["type"] == "disclosure.permitted"


async def test_pages_follow_each_other_without_overlap(
    client: httpx2.AsyncClient, handler: EntryHandler, database: Database
) -> None:
    await ingest(handler, database, [a_delivery(number) for number in range(1, 8)])
    found, cursor = [], {}
    while True:
        page = (await search(client, subject=MORTEN, limit=3, **cursor)).json()
        found += [item["index"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == [6, 5, 4, 3, 2, 1, 0]


async def test_every_search_is_recorded_with_its_criteria_also_when_it_finds_nothing(
    client: httpx2.AsyncClient, filled: None, database: Database
) -> None:
    await search(client, subject=MORTEN, actor="bif101", type="consent.granted", after="2026-01-01T00:00:00Z")
    await search(client, actor="nobody")
    first, second = await recorded(database)
    assert (first["type"], first["action"], first["actor"], first["actor_role"]) == (
        *("entries.searched", "R", "kk901"),
        "dpo",
    )
    assert (first["subject"], first["unit"]) == (str(MORTEN), "KK-DPO")
    objects = first["objects"]
    assert isinstance(objects, dict)
    assert (objects["searched_type"], objects["searched_after"]) == ("consent.granted", "2026-01-01T00:00:00Z")
    (key,) = await rows(
        database, "SELECT subject_ref FROM subject_key WHERE subject_ref = $1", objects["searched_actor_ref"]
    )
    assert key
    assert "bif101" not in json.dumps(first)
    assert second["objects"] == {"searched_actor_ref": "none"}


async def test_a_search_without_a_record_has_no_answer(
    client: httpx2.AsyncClient, filled: None, postgres: Postgres, audit_database: TestDatabase
) -> None:
    postgres.execute("REVOKE INSERT ON outbox FROM audit", database=audit_database.name)
    answer = await search(client, subject=MORTEN)
    assert answer.status_code >= 500
    assert "bif101" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        bearer("caseworker"),
        bearer("administrator"),
        bearer("dpo", "administrator"),
        bearer("auditor"),
        bearer("leader"),
        bearer("advis"),
        citizen(MORTEN),
        bearer(),
    ],
    ids=["caseworker", "administrator", "dpo and administrator", "auditor", "leader", "advis", "citizen", "nobody"],
)
async def test_nobody_but_the_officer_searches(
    client: httpx2.AsyncClient, filled: None, database: Database, headers: dict[str, str]
) -> None:
    answer = await search(client, headers, subject=MORTEN)
    assert answer.status_code == 403
    assert (await client.get("/v1/entries", params={"subject": str(MORTEN)})).status_code == 401
    assert [(entry["type"], entry["outcome"]) for entry in await recorded(database)] == [
        ("entries.searched", "refused")
    ]


async def test_the_officer_does_not_browse_and_does_not_ask_for_what_is_not_there(
    client: httpx2.AsyncClient, filled: None
) -> None:
    assert (await search(client)).status_code == 422
    for query in (
        {"subject": "morten"},
        {"type": "X"},
        {"subject": MORTEN, "limit": 201},
        {"actor": "a", "cursor": "x"},
    ):
        assert (await search(client, **query)).status_code == 422
    answer = await search(client, after="2026-01-01", unknown="x")
    assert answer.status_code == 422


async def test_a_citizen_sees_what_was_done_about_them_and_never_by_whom(
    client: httpx2.AsyncClient, filled: None
) -> None:
    answer = await client.get("/v1/me/entries", headers=citizen(MORTEN))
    items = answer.json()["items"]
    assert [item["index"] for item in items] == [1, 0]
    assert items[0] == {
        "index": 1,
        "type": "disclosure.permitted",
        "action": "R",
        "outcome": "success",
        "occurred_at": "2026-11-22T08:30:00Z",
        "unit": "BIF-JOBINDSATS",
        "purposes": ["KOORDINERING"],
        "legal_basis": "DATABESKYTTELSE_6_1_A",
    }
    for hidden in ("bif101", "permit_id", "caseworker", "c0ffee00", str(HANS)):
        assert hidden not in answer.text


async def test_a_citizen_sees_their_own_alone_and_an_unknown_one_sees_nothing(
    client: httpx2.AsyncClient, filled: None
) -> None:
    hans = (await client.get("/v1/me/entries", headers=citizen(HANS))).json()["items"]
    assert [item["index"] for item in hans] == [3, 2]
    stranger = await client.get("/v1/me/entries", headers=citizen("00000000-0000-4000-8000-00000000dead"))
    assert stranger.json() == {"items": [], "next": None}
    page = (await client.get("/v1/me/entries?limit=1", headers=citizen(HANS))).json()
    rest = (await client.get(f"/v1/me/entries?cursor={page['next']}", headers=citizen(HANS))).json()
    assert [page["items"][0]["index"], rest["items"][0]["index"], rest["next"]] == [3, 2, None]


async def test_a_citizens_own_reading_is_recorded_as_theirs(
    client: httpx2.AsyncClient, filled: None, database: Database
) -> None:
    await client.get("/v1/me/entries", headers=citizen(MORTEN))
    (entry,) = await recorded(database)
    assert (entry["type"], entry["subject"], entry["actor"]) == ("entries.own_read", str(MORTEN), "citizen")


async def test_nobody_but_a_citizen_from_consent_has_own_entries(
    client: httpx2.AsyncClient, filled: None, database: Database
) -> None:
    for headers in (OFFICER, bearer("caseworker"), bearer("citizen", subject=str(MORTEN), issuer=STAFF)):
        assert (await client.get("/v1/me/entries", headers=headers)).status_code == 403
    assert (await client.get("/v1/me/entries")).status_code == 401
    assert (await client.get("/v1/me/entries", headers=citizen("not-a-uuid"))).status_code == 404
    assert await recorded(database) == []


async def test_consent_names_citizens_and_no_officers(client: httpx2.AsyncClient, filled: None) -> None:
    headers = bearer("dpo", "citizen", subject=str(MORTEN), issuer=CONSENT)
    assert (await search(client, headers, subject=MORTEN)).status_code == 403


async def test_an_erased_person_is_missing_and_the_rest_is_still_there(
    client: httpx2.AsyncClient, filled: None, postgres: Postgres, audit_database: TestDatabase
) -> None:
    (item,) = (await search(client, subject=MORTEN, actor="bif101")).json()["items"]
    assert item["missing"] == []
    forget = "(SELECT subject_ref FROM subject_key WHERE kind = 'subject')"
    postgres.execute(
        f"DELETE FROM opening WHERE subject_ref IN {forget}",
        "DELETE FROM subject_key WHERE kind = 'subject'",
        database=audit_database.name,
    )
    items = (await search(client, actor="bif101")).json()["items"]
    assert [item["opened"] for item in items] == [{"actor": "bif101"}] * 2
    assert items[0]["missing"] == ["correlation_id", "entry_id", "objects", "reason", "subject", "unit"]
    assert await indices(client, subject=MORTEN) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE opening SET ct = set_byte(ct, 3, get_byte(ct, 3) # 1)",
        "UPDATE opening a SET ct = b.ct, nonce = b.nonce FROM opening b"  # noqa: ISC004
        " WHERE a.leaf_index = 1 AND b.leaf_index = 2 AND b.subject_ref = a.subject_ref",
        "UPDATE subject_key SET wrapped_dek = set_byte(wrapped_dek, 20, get_byte(wrapped_dek, 20) # 1)",
    ],
    ids=["changed", "moved from another leaf", "key changed"],
)
async def test_an_opening_that_was_tampered_with_is_not_shown_and_not_taken_for_erased(
    client: httpx2.AsyncClient, filled: None, postgres: Postgres, audit_database: TestDatabase, statement: str
) -> None:
    off = ["ALTER TABLE opening DISABLE TRIGGER ALL", "ALTER TABLE subject_key DISABLE TRIGGER ALL"]
    postgres.execute(*off, statement, database=audit_database.name)
    items = (await search(client, type="disclosure.permitted")).json()["items"]
    (item,) = [item for item in items if item["index"] == 1]
    assert (await search(client, actor="bif101")).status_code == 200
    assert "actor" in item["mismatched"]
    assert "actor" not in item["opened"]
    assert item["missing"] == []


async def test_a_lie_sealed_by_somebody_who_has_every_key_does_not_open_the_commitment(
    client: httpx2.AsyncClient,
    filled: None,
    database: Database,
    vault: Vault,
    postgres: Postgres,
    audit_database: TestDatabase,
) -> None:
    (leaf,) = await rows(database, "SELECT body FROM leaf WHERE leaf_index = 1")
    (stored,) = await rows(
        database, "SELECT * FROM subject_key WHERE lookup = $1", vault.lookup(Person("actor", "bif101"))
    )
    key = vault.unwrap(stored.subject_ref, stored.wrapped_dek)
    leaf_id = bytes.fromhex(json.loads(leaf.body)["id"])
    lie = seal(key, {"actor": (b"s" * 32, "bif999")}, log=ORIGIN, leaf_id=leaf_id)
    postgres.execute(
        "ALTER TABLE opening DISABLE TRIGGER ALL",
        f"UPDATE opening SET nonce = '\\x{lie.nonce.hex()}', ct = '\\x{lie.ciphertext.hex()}'"
        f" WHERE leaf_index = 1 AND subject_ref = '{stored.subject_ref}'",
        database=audit_database.name,
    )
    (item,) = (await search(client, subject=MORTEN, type="disclosure.permitted")).json()["items"]
    assert (item["mismatched"], "bif999" in json.dumps(item)) == (["actor"], False)


async def test_a_refused_search_names_the_person_only_where_there_is_one(
    client: httpx2.AsyncClient, filled: None, database: Database
) -> None:
    for criteria in ({"subject": MORTEN}, {"subject": UUID(int=404)}, {"type": "consent.granted"}):
        assert (await search(client, bearer("caseworker", subject="bif101"), **criteria)).status_code == 403
    left = await recorded(database)
    assert [(entry["outcome"], entry["actor"], entry.get("subject")) for entry in left] == [
        ("refused", "bif101", str(MORTEN)),
        ("refused", "bif101", None),
    ]
