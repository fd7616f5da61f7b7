"""Notices: the citizen reads their own, the data protection officer those for them, nobody anybody else's."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2

from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice
from tests.consent.world import issuer
from tests.consent.world.door import Citizen, Door

DPO = issuer.token("dpo", subject="dpo1", client_id="dpo-desk")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def told(door: Door, borger_id: UUID, *, audience: str = "citizen", days: int = 0) -> str:
    """A notice somebody's act has left."""
    notice = Notice(uuid4(), borger_id, audience, "attested", uuid4(), LONG_AGO + timedelta(days=days))
    async with door.app.state.database.write() as session:
        await notices_store.add(session, notice)
    return str(notice.notice_id)


async def listed(door: Door, by: Citizen, about: UUID | None = None, **query: str) -> httpx2.Response:
    return await door.call("GET", f"/v1/citizens/{about or by.borger_id}/notices", by.token, params=query)


def ids(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["notice_id"] for item in answer.json()["items"]]


async def test_a_citizen_reads_their_own_newest_first_and_nobody_elses(door: Door) -> None:
    peter, other = await door.citizen(), await door.citizen()
    older, newer = [await told(door, peter.borger_id, days=day) for day in (1, 2)]
    await told(door, other.borger_id)
    await told(door, peter.borger_id, audience="dpo")
    assert ids(await listed(door, peter)) == [newer, older]
    assert (await listed(door, other, peter.borger_id)).status_code == 404
    (entry,) = [data for kind, data in await door.told("audit.entries") if kind == "notices.listed"]
    assert (entry["subject"], entry["actor"]) == (str(peter.borger_id), "citizen")


async def test_pages_are_cut_by_the_last_one_seen(door: Door) -> None:
    peter = await door.citizen()
    made = [await told(door, peter.borger_id, days=day // 2) for day in range(5)]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = await listed(door, peter, **query)
        seen += ids(page)
        if page.json()["next"] is None:
            break
        query["cursor"] = page.json()["next"]
    assert (len(seen), set(seen)) == (5, set(made))
    assert (await listed(door, peter, cursor="nonsense")).status_code == 422


async def test_what_was_seen_stays_seen_and_only_whom_it_is_for_can_say_so(door: Door) -> None:
    peter, other = await door.citizen(), await door.citizen()
    notice_id = await told(door, peter.borger_id)
    officers = await told(door, peter.borger_id, audience="dpo")
    path = f"/v1/citizens/{peter.borger_id}/notices/{notice_id}:seen"
    assert (await door.call("POST", path, other.token)).status_code == 404
    for wrong in (path.replace(str(peter.borger_id), str(other.borger_id)), f"/v1/notices/{notice_id}:seen"):
        token = DPO if wrong.startswith("/v1/notices") else other.token
        assert (await door.call("POST", wrong, token)).status_code == 404
    assert (await door.call("POST", path.replace(notice_id, officers), peter.token)).status_code == 404
    assert ids(await listed(door, peter, unseen="true")) == [notice_id]
    first = await door.call("POST", path, peter.token)
    assert first.json()["seen_at"] is not None
    assert (await door.call("POST", path, peter.token)).json() == first.json()
    assert ids(await listed(door, peter, unseen="true")) == []
    (entry, _) = [data for kind, data in await door.told("audit.entries") if kind == "notice.seen"]
    assert entry["objects"] == {"notice_id": notice_id}


async def test_the_officer_reads_those_for_them_about_anybody_and_each_person_is_on_the_record(door: Door) -> None:
    peter, other = await door.citizen(), await door.citizen()
    first, second = (
        await told(door, peter.borger_id, audience="dpo"),
        await told(door, other.borger_id, audience="dpo", days=1),
    )
    await told(door, peter.borger_id)
    answer = await door.call("GET", "/v1/notices", DPO)
    assert ids(answer) == [second, first]
    assert {item["borger_id"] for item in answer.json()["items"]} == {str(peter.borger_id), str(other.borger_id)}
    entries = [data for kind, data in await door.told("audit.entries") if kind == "notices.listed"]
    assert {entry["subject"] for entry in entries} == {str(peter.borger_id), str(other.borger_id)}
    assert {(entry["actor"], entry["actor_role"]) for entry in entries} == {("dpo1", "dpo")}
    assert (await door.call("POST", f"/v1/notices/{first}:seen", DPO)).status_code == 200
    assert ids(await door.call("GET", "/v1/notices", DPO, params={"unseen": "true"})) == [second]


async def test_the_officers_list_is_for_the_officer(door: Door) -> None:
    peter = await door.citizen()
    for token in (peter.token, issuer.token("caseworker"), issuer.token("administrator")):
        assert (await door.call("GET", "/v1/notices", token)).status_code == 403
        assert (await door.call("POST", f"/v1/notices/{uuid4()}:seen", token)).status_code == 403
    assert (await door.call("GET", "/v1/notices")).status_code == 401
