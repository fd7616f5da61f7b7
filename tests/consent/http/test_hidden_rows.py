"""Two worlds that differ in rows a reader may not see answer the reader's lists alike, byte for byte, page by page."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from tests.consent.citizens.test_api import use
from tests.consent.citizens.test_family import WISH, family
from tests.consent.world import issuer
from tests.consent.world.door import Citizen, Door
from tests.consent.world.staff import authorised, employee
from tests.servers import TestDatabase

UNITS = ("SOF-BCV", "SOF-HJEMLOESE", "SOF-RUSMIDDEL", "SOF-BCH", "SOF-PSYKIATRI")
LISTS = ("consents", "uses", "refusals", "requests")
# A row like each visible one, for a purpose that is not the reader's, just after it in the list.
_HIDE = """
INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object(
  '{key}', gen_random_uuid(), 'purpose', 'KONTROL', '{moment}', t.{moment} + interval '1 microsecond'))).*
FROM {table} t
"""
_ASKED_FOR = """
INSERT INTO request_item (item_id, request_id, place, holder_unit, recipient_unit, categories, consent_id)
SELECT gen_random_uuid(), r.request_id, 1, k.holder_unit, k.recipient_unit, k.categories, k.consent_id
FROM consent_request r JOIN consent k ON k.recipient_unit = r.unit AND k.purpose = r.purpose
WHERE NOT EXISTS (SELECT 1 FROM request_item i WHERE i.request_id = r.request_id)
"""
HIDDEN = (
    ("consent", "consent_id", "requested_at"),
    ("use_log", "notification_id", "first_at"),
    ("refusal", "refusal_id", "recorded_at"),
    ("consent_request", "request_id", "requested_at"),
)


async def pages(door: Door, path: str, token: str, **query: Any) -> list[bytes]:
    """The bodies of a list, page after page, to its end."""
    found, cursor = [], None
    while True:
        params = query | ({} if cursor is None else {"cursor": cursor})
        answer = await door.call("GET", path, token, params=params)
        assert answer.status_code == 200, answer.text
        found.append(answer.content)
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def everything(door: Door, base: str, token: str) -> dict[tuple[str, int], list[bytes]]:
    return {(name, n): await pages(door, f"{base}/{name}", token, limit=n) for name in LISTS for n in (1, 2, 50)}


async def written(door: Door, query: str, *values: object) -> None:
    async with door.app.state.database.write() as session:
        await session.exec_driver_sql(query, values)


async def a_life(door: Door) -> tuple[Citizen, Citizen]:
    """Peter with a history about one purpose, and Anna, who acts for him in that and nothing else."""
    peter, anna = await door.citizen(), await door.citizen()
    await authorised(door, peter, anna, purposes=["KOORDINERING"])
    base = f"/v1/citizens/{peter.borger_id}"
    for hours, unit in enumerate(UNITS):
        assert (await door.grant(peter, recipient_unit=unit)).status_code == 201
        no = {"purpose": "KOORDINERING", "recipient_unit": unit}
        assert (await door.call("POST", f"{base}/refusals", peter.token, json=no)).status_code == 200
        await use(door, peter.borger_id, "sof101", datetime.now(UTC) - timedelta(hours=hours))
        await written(
            door,
            "INSERT INTO consent_request (request_id, borger_id, unit, function, requested_by, purpose, text_code,"
            " text_version, text_sha256, language, requested_at, answer_by, revision)"
            " VALUES ($1, $2, $3, 'caseworker', 'x', 'KOORDINERING', 'KOORDINERING', 1, 'x', 'da', now(),"
            " now() + interval '9 days', 1)",
            *(uuid4(), peter.borger_id, unit),
        )
    await written(door, _ASKED_FOR)
    return peter, anna


async def test_a_representative_cannot_count_or_place_what_is_not_theirs(door: Door):
    peter, anna = await a_life(door)
    base = f"/v1/citizens/{peter.borger_id}"
    before = await everything(door, base, anna.token)
    assert {name: len(before[name, 1]) for name in LISTS} == dict.fromkeys(LISTS, len(UNITS))
    for table, key, moment in HIDDEN:
        await written(door, _HIDE.format(table=table, key=key, moment=moment))
    await written(door, _ASKED_FOR)
    assert await everything(door, base, anna.token) == before
    mine = await everything(door, base, peter.token)
    assert {name: len(mine[name, 1]) for name in LISTS} == dict.fromkeys(LISTS, 2 * len(UNITS))


async def cursor_of(door: Door, path: str, token: str, **query: Any) -> str:
    answer = await door.call("GET", path, token, params={"limit": 1, **query})
    assert answer.json()["next"], answer.text
    return str(answer.json()["next"])


def is_refused(answer: httpx2.Response) -> bool:
    return answer.status_code == 422 and [item["field"] for item in answer.json()["errors"]] == ["cursor"]


async def test_a_cursor_is_for_its_reader_list_and_filter_alone(door: Door):
    peter, anna = await a_life(door)
    base = f"/v1/citizens/{peter.borger_id}"
    cursor = await cursor_of(door, f"{base}/consents", peter.token, status="active")
    again = {"cursor": cursor, "status": "active"}
    assert (await door.call("GET", f"{base}/consents", peter.token, params=again | {"limit": 7})).status_code == 200
    assert is_refused(await door.call("GET", f"{base}/consents", peter.token, params={"cursor": cursor}))
    assert is_refused(await door.call("GET", f"{base}/consents", anna.token, params=again))
    assert is_refused(await door.call("GET", f"{base}/requests", peter.token, params={"cursor": cursor}))
    other = issuer.citizen(peter.cpr, client_id="another-portal")
    assert is_refused(await door.call("GET", f"{base}/consents", other, params=again))


async def test_a_cursor_about_one_person_is_not_one_about_another(door: Door):
    peter, anna = await a_life(door)
    for unit in UNITS[:2]:
        await door.grant(anna, recipient_unit=unit)
    cursor = await cursor_of(door, f"/v1/citizens/{peter.borger_id}/consents", anna.token)
    path = f"/v1/citizens/{anna.borger_id}/consents"
    assert is_refused(await door.call("GET", path, anna.token, params={"cursor": cursor}))


async def test_a_bridge_builders_cursor_is_of_the_unit_acted_in(door: Door):
    peter, anna = await door.citizen(), await door.citizen()
    await authorised(door, peter, anna)
    await authorised(door, anna, peter)
    bridge = employee("bb101", role="bridge_builder", unit="SOF-BCV", host_unit="BIF-JOBINDSATS")
    home, host = ({"Acting-Unit": unit} for unit in ("SOF-BCV", "BIF-JOBINDSATS"))
    first = await door.call("GET", "/v1/authorities", bridge, headers=home, params={"limit": 1})
    params = {"cursor": first.json()["next"]}
    assert (await door.call("GET", "/v1/authorities", bridge, headers=home, params=params)).status_code == 200
    assert is_refused(await door.call("GET", "/v1/authorities", bridge, headers=host, params=params))


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_use_that_repeats_while_the_list_is_read_leaves_none_out(door: Door, limit: int):
    peter = await door.citizen()
    now = datetime.now(UTC)
    made = [await use(door, peter.borger_id, "sof101", now - timedelta(days=9 + n)) for n in range(6)]
    path, found, query = f"/v1/citizens/{peter.borger_id}/uses", [], {"limit": limit}
    while True:
        page = (await door.call("GET", path, peter.token, params=query)).json()
        found += [item["first_at"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
        oldest = made[-1]  # it is shown again, by another employee today, while the reader is on the way to it
        await written(
            door,
            "INSERT INTO use_log SELECT (jsonb_populate_record(u, jsonb_build_object('actor', $2::text,"
            " 'day', $3::date, 'first_at', $4::timestamptz, 'last_at', $4::timestamptz))).*"
            " FROM use_log u WHERE notification_id = $1 AND actor = 'sof101'",
            *(oldest, f"sof{len(found)}", datetime.now(UTC).date(), datetime.now(UTC)),
        )
    assert len(found) == len(made)
    assert all(later > earlier for later, earlier in pairwise(found))


async def test_all_days_and_employees_of_a_use_are_one_line(door: Door):
    peter, now = await door.citizen(), datetime.now(UTC)
    about = await use(door, peter.borger_id, "sof101", now - timedelta(days=3), 2)
    for actor, day, categories in (("sof101", 2, "{FREMMOEDE}"), ("sof102", 1, "{BESKAEFTIGELSESFORLOEB,FREMMOEDE}")):
        at = now - timedelta(days=day)
        await written(
            door,
            "INSERT INTO use_log SELECT (jsonb_populate_record(u, jsonb_build_object('actor', $2::text,"
            " 'day', $3::date, 'first_at', $4::timestamptz, 'last_at', $4::timestamptz, 'categories', $5::text[]))).*"
            " FROM use_log u WHERE notification_id = $1 LIMIT 1",
            *(about, actor, at.date(), at, categories.strip("{}").split(",")),
        )
    [line] = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/uses", peter.token)).json()["items"]
    assert (line["count"], line["categories"]) == (6, ["BESKAEFTIGELSESFORLOEB", "FREMMOEDE"])
    assert line["last_at"] > line["first_at"]


# A receipt of another parent's act just after each one: the same chain, with numbers between.
_SPACED = "UPDATE receipt SET sequence = sequence * 10 WHERE borger_id = $1"
_OTHERS = """
INSERT INTO receipt (receipt_id, borger_id, sequence, previous_sha256, event, consent_id, object_kind, object_id,
  issued_at, jws)
SELECT gen_random_uuid(), borger_id, sequence + 1, previous_sha256, event, consent_id, object_kind, object_id,
  issued_at, split_part(jws, '.', 1) || '.' || rtrim(translate(replace(encode(convert_to(jsonb_build_object('act',
  jsonb_build_object('actor', $2::text))::text, 'UTF8'), 'base64'), E'\n', ''), '+/', '-_'), '=') || '.x'
FROM receipt WHERE borger_id = $1
"""


async def as_owner(database: TestDatabase, query: str, *values: object) -> None:
    """What the runtime role may not: to it, receipts are only ever added."""
    session = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
    try:
        await session.execute(query, *values)
    finally:
        await session.close()


async def test_a_parent_cannot_count_or_place_what_the_other_parent_did(door: Door, consent_database: TestDatabase):
    """Every list that a parent reads of a child: receipts, notices, consents, uses, and what else there is."""
    home = await family(door)
    for unit in UNITS[:3]:
        no = {"purpose": "KOORDINERING", "recipient_unit": unit}
        path = f"/v1/citizens/{home.id}/refusals"
        assert (await door.call("POST", path, home.mother.token, json=no)).status_code == 200
    assert (await door.grant(home.mother, home.id, **WISH)).status_code == 201
    await as_owner(consent_database, _SPACED, home.id)
    lists = ("receipts", "notices", "consents", "uses", "refusals", "requests", "restrictions")

    async def world(token: str) -> dict[tuple[str, int], list[bytes]]:
        base = f"/v1/citizens/{home.id}"
        return {(name, n): await pages(door, f"{base}/{name}", token, limit=n) for name in lists for n in (1, 2, 50)}

    before, child = await world(home.mother.token), home.child.token
    own = len(before["receipts", 1])
    assert own == 4
    await written(door, _OTHERS, home.id, str(home.father.borger_id))
    assert await world(home.mother.token) == before
    export = (await door.call("GET", f"/v1/citizens/{home.id}/export", home.mother.token)).json()
    assert len(export["receipts"]) == own
    assert [len((await world(reader))["receipts", 1]) for reader in (child, home.father.token)] == [2 * own, own]
