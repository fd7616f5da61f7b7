"""Who may speak for an adult by a recorded authority: from a second employee's word on, and not a moment longer."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.consent.decision.decide import Reason
from services.consent.scopes import store as scopes_store
from tests import hostile
from tests.consent.lifecycle.test_lifecycle import decided
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.fence_door import acquire, in_flight, item_for, settle
from tests.consent.world.people import number
from tests.consent.world.staff import (
    DAY,
    ELSEWHERE,
    FIRST,
    SECOND,
    SERVICE,
    TODAY,
    authorised,
    decide,
    employee,
    record,
)
from tests.servers import TestDatabase
from tests.waiting import until


async def people(door: Door) -> tuple[Citizen, Citizen]:
    return await door.citizen(), await door.citizen()


async def test_an_authority_counts_from_the_second_employees_confirmation_on(door: Door):
    peter, anna = await people(door)
    proposed = (await record(door, peter, anna)).json()
    assert (proposed["status"], proposed["recorded_by"], proposed["confirmed_by"]) == ("proposed", "sof101", None)
    assert (await door.grant(anna, peter.borger_id)).status_code == 404
    same = await decide(door, proposed["authority_id"], "confirm", by=FIRST)
    assert same.status_code == 409
    assert (await door.grant(anna, peter.borger_id)).status_code == 404
    assert (await decide(door, proposed["authority_id"], "confirm")).json()["status"] == "active"
    answer = await door.grant(anna, peter.borger_id)
    assert (answer.status_code, answer.json()["consent"]["status"]) == (201, "active")
    [said] = answer.json()["consent"]["declarations"]
    assert (said["role"], said["by_you"]) == ("attorney", True)
    assert await decided(door, peter.borger_id) is Reason.CONSENT


async def test_a_rejected_one_never_counts(door: Door):
    peter, anna = await people(door)
    proposed = (await record(door, peter, anna)).json()
    assert (await decide(door, proposed["authority_id"], "reject", by=FIRST)).status_code == 409
    assert (await decide(door, proposed["authority_id"], "reject")).json()["status"] == "rejected"
    assert (await decide(door, proposed["authority_id"], "confirm")).status_code == 409
    assert (await door.grant(anna, peter.borger_id)).status_code == 404
    assert (await record(door, peter, anna)).status_code == 201


@pytest.mark.parametrize("by", ["citizen", "attorney", "employee"])
async def test_ending_it_ends_what_rests_on_it_and_nothing_else(door: Door, by: str):
    peter, anna = await people(door)
    authority_id = await authorised(door, peter, anna)
    await door.grant(anna, peter.borger_id)
    await door.grant(peter, recipient_unit="SOF-BCH")
    if by == "employee":
        ended = await decide(door, authority_id, "end", by=FIRST, tag=None)
    else:
        who = peter if by == "citizen" else anna
        ended = await door.call("POST", f"/v1/citizens/{peter.borger_id}/authorities/{authority_id}:end", who.token)
    assert (ended.status_code, ended.json()["status"]) == (200, "ended")
    assert await decided(door, peter.borger_id) is Reason.NO_CONSENT
    assert await decided(door, peter.borger_id, recipient="SOF-BCH") is Reason.CONSENT
    rows = await door.rows("SELECT status, closed_reason FROM consent ORDER BY recipient_unit DESC")
    assert [tuple(row) for row in rows] == [("closed", "authority_changed"), ("active", None)]
    assert (await door.grant(anna, peter.borger_id)).status_code == 404
    told = [kind for kind, _ in await door.told("consent.events")]
    assert told.count("samtykke.lukket") == 1
    receipts = [row["event"] for row in await door.rows("SELECT event FROM receipt ORDER BY sequence")]
    assert receipts == ["authority_recorded", "given", "given", "closed", "authority_ended"]


@pytest.mark.parametrize("by", ["employee", "citizen"])
async def test_two_ends_at_once_are_one_end(door: Door, by: str):
    peter, anna = await people(door)
    authority_id = await authorised(door, peter, anna)
    path = f"/v1/citizens/{peter.borger_id}/authorities/{authority_id}:end"

    def end() -> Awaitable[httpx2.Response]:
        if by == "employee":
            return decide(door, authority_id, "end", by=FIRST, tag=None)
        return door.call("POST", path, peter.token)

    async with door.app.state.database.write() as session:
        await scopes_store.lock_person(session, peter.borger_id)  # both have read it before the first can end it
        both = [asyncio.ensure_future(end()) for _ in range(2)]
        await both_wait(door)
    answers = [await one for one in both]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "ended")] * 2
    assert answers[0].json() == answers[1].json()
    assert len(await door.rows("SELECT 1 FROM receipt WHERE event = 'authority_ended'")) == 1


async def test_an_end_that_comes_with_a_confirmation_ends_what_that_confirmed(door: Door):
    peter, anna = await people(door)
    authority_id = (await record(door, peter, anna)).json()["authority_id"]
    async with door.app.state.database.write() as session:
        await scopes_store.lock_person(session, peter.borger_id)
        confirmed = asyncio.ensure_future(decide(door, authority_id, "confirm"))
        await both_wait(door, 1)
        ended = asyncio.ensure_future(decide(door, authority_id, "end", by=FIRST, tag=None))
        await both_wait(door)
    assert [(one.status_code, one.json()["status"]) for one in (await confirmed, await ended)] == [
        (200, "active"),
        (200, "ended"),
    ]


async def test_of_two_registrations_at_once_after_one_that_has_lapsed_one_is_made(door: Door):
    peter, anna = await people(door)
    await authorised(door, peter, anna)
    lapsed = "UPDATE authority SET valid_from = '2020-01-01', valid_to = '2021-01-01' RETURNING 1"
    assert len(await door.rows(lapsed)) == 1
    async with door.app.state.database.write() as session:
        await scopes_store.lock_person(session, peter.borger_id)
        both = [asyncio.ensure_future(record(door, peter, anna)) for _ in range(2)]
        await both_wait(door)
    assert sorted([(await one).status_code for one in both]) == [201, 409]


async def both_wait(door: Door, count: int = 2) -> None:
    async def waiting() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return (await door.rows(query))[0][0] == count

    await until(waiting)


async def test_the_answer_to_an_ending_waits_for_what_is_in_flight(door: Door):
    peter, anna = await people(door)
    authority_id = await authorised(door, peter, anna)
    _, token, permit = await in_flight(door, peter)
    await door.grant(anna, peter.borger_id)  # the renewal rests on the attorney's word from now on
    item = await item_for(door, peter.borger_id)
    assert (await acquire(door, token, item)).json()["granted"]
    early = await decide(door, authority_id, "end", tag=None, Prefer="respond-async")
    assert (early.status_code, early.json()["draining"]) == (202, True)
    assert early.headers["Location"] == f"/v1/authorities/{authority_id}"
    assert (await acquire(door, token, {**item, "permit_id": str(uuid4())})).json()["granted"] == []
    await settle(door, token, permit, item["permit_id"])
    late = await decide(door, authority_id, "end", tag=None)
    assert (late.status_code, late.json()["draining"]) == (200, False)
    seen = await door.call("GET", f"/v1/authorities/{authority_id}", FIRST)
    assert (seen.status_code, seen.json()["draining"]) == (200, False)


async def test_an_attorney_sees_and_does_only_what_the_power_is_about(door: Door):
    peter, anna = await people(door)
    await authorised(door, peter, anna, purposes=["KOORDINERING"])
    base = f"/v1/citizens/{peter.borger_id}"
    mine = (await door.grant(peter)).json()["consent"]["consent_id"]
    other = {"purpose": "BOLIG_FOREBYGGELSE", "holder_unit": "BIF-YDELSE", "recipient_unit": "SOF-BOLIGRAADGIVNING"}
    hidden = (await door.grant(peter, **other, categories=["FORSOERGELSE"])).json()["consent"]["consent_id"]
    listed = (await door.call("GET", f"{base}/consents", anna.token)).json()["items"]
    assert [item["consent_id"] for item in listed] == [mine]
    assert (await door.call("GET", f"{base}/consents/{mine}", anna.token)).status_code == 200
    assert (await door.call("GET", f"{base}/consents/{hidden}", anna.token)).status_code == 404
    assert (await door.call("POST", f"{base}/consents/{hidden}:withdraw", anna.token)).status_code == 404
    assert (await door.grant(anna, peter.borger_id, **other, categories=["FORSOERGELSE"])).status_code == 404
    no = {"purpose": "BOLIG_FOREBYGGELSE", "recipient_unit": "SOF-BOLIGRAADGIVNING"}
    assert (await door.call("POST", f"{base}/refusals", anna.token, json=no)).status_code == 404
    assert (await door.call("GET", f"{base}/receipts", anna.token)).status_code == 404
    assert (await door.call("GET", f"{base}/notices", anna.token)).status_code == 404
    theirs = await door.call("POST", f"{base}/consents/{mine}:withdraw", anna.token)
    others = await door.call("POST", f"{base}/consents/{hidden}:withdraw", peter.token)
    for ended, seen in ((theirs, 200), (others, 404)):
        assert ended.status_code == 200
        status = f"{base}/withdrawals/{ended.json()['withdrawal_id']}"
        assert (await door.call("GET", status, anna.token)).status_code == seen


async def test_me_lists_whom_one_may_act_for_and_the_citizen_sees_who_may(door: Door):
    peter, anna = await people(door)
    child = await door.citizen(number(date(TODAY.year - 8, 1, 1)))
    await door.happens("cpr.foraeldremyndighed_aendret", child.borger_id, custody_holders=(anna.borger_id,))
    until = str(TODAY + 30 * DAY)
    authority_id = await authorised(door, peter, anna, purposes=["KOORDINERING"], valid_to=until)
    me = (await door.call("GET", "/v1/me", anna.token)).json()
    assert me["children"] == [str(child.borger_id)]
    assert me["acts_for"] == [
        {
            "borger_id": str(child.borger_id),
            "role": "custody_holder",
            "authority_id": None,
            "purposes": None,
            "until": None,
        },
        {
            "borger_id": str(peter.borger_id),
            "role": "attorney",
            "authority_id": authority_id,
            "purposes": ["KOORDINERING"],
            "until": until,
        },
    ]
    assert (await door.call("GET", "/v1/me", peter.token)).json()["acts_for"] == []
    address = f"/v1/citizens/{peter.borger_id}/authorities"
    shown = await door.call("GET", address, peter.token)
    [item] = shown.json()["items"]
    assert (item["authority_id"], item["recorded_unit"], item["status"]) == (authority_id, "SOF-BCV", "active")
    assert "sof101" not in shown.text
    assert (await door.call("GET", address, (await door.citizen()).token)).status_code == 404


async def test_a_guardian_by_court_order_replaces_the_citizen_and_takes_no_no_from_them(door: Door):
    peter, anna = await people(door)
    mine = (await door.grant(peter)).json()["consent"]["consent_id"]
    await authorised(door, peter, anna, kind="vaerge", replaces_citizen=True)
    assert await decided(door, peter.borger_id) is Reason.NO_CONSENT
    detail = await door.call("GET", f"/v1/citizens/{peter.borger_id}/consents/{mine}", peter.token)
    assert (detail.json()["status"], detail.json()["closed_reason"]) == ("closed", "authority_changed")
    assert (await door.grant(peter)).status_code == 403
    answer = await door.grant(anna, peter.borger_id)
    assert answer.json()["consent"]["declarations"][0]["role"] == "guardian"
    assert await decided(door, peter.borger_id) is Reason.CONSENT
    consent_id = answer.json()["consent"]["consent_id"]
    gone = await door.call("POST", f"/v1/citizens/{peter.borger_id}/consents/{consent_id}:withdraw", peter.token)
    assert gone.status_code == 200


async def test_a_guardian_for_one_purpose_leaves_the_others_to_the_citizen(door: Door):
    peter, anna = await people(door)
    await authorised(door, peter, anna, kind="vaerge", replaces_citizen=True, purposes=["BOLIG_FOREBYGGELSE"])
    assert (await door.grant(peter)).status_code == 201
    assert await decided(door, peter.borger_id) is Reason.CONSENT


@pytest.mark.parametrize("kind", ["vaerge", "fuldmagt", "fremtidsfuldmagt"])
async def test_any_other_representative_leaves_the_citizen_their_own_word(door: Door, kind: str):
    peter, anna = await people(door)
    await authorised(door, peter, anna, kind=kind)
    assert (await door.grant(peter)).status_code == 201
    assert (await door.grant(anna, peter.borger_id, recipient_unit="SOF-BCH")).status_code == 201
    assert await decided(door, peter.borger_id) is Reason.CONSENT
    assert await decided(door, peter.borger_id, recipient="SOF-BCH") is Reason.CONSENT


async def test_nobody_ends_a_guardians_authority_but_the_staff(door: Door):
    peter, anna = await people(door)
    authority_id = await authorised(door, peter, anna, kind="vaerge")
    for who in (peter, anna, await door.citizen()):
        path = f"/v1/citizens/{peter.borger_id}/authorities/{authority_id}:end"
        assert (await door.call("POST", path, who.token)).status_code == 404
    assert (await decide(door, authority_id, "end", by=ELSEWHERE, tag=None)).status_code == 404
    assert (await decide(door, authority_id, "end", by=SERVICE, tag=None)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"purposes": ["KONTROL"]}, "purposes"),
        ({"purposes": []}, "purposes"),
        ({"valid_to": str(TODAY - DAY)}, "valid_to"),
        ({"replaces_citizen": True}, "replaces_citizen"),
        ({"evidence": "the mother says so"}, "evidence"),
        ({"kind": "ven"}, "kind"),
        ({"representative": {}}, "representative"),
    ],
)
async def test_what_is_not_an_authority_is_refused_by_field(door: Door, changes: dict, field: str):
    peter, anna = await people(door)
    answer = await record(door, peter, anna, **changes)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert await door.rows("SELECT 1 FROM authority") == []


async def test_one_authority_at_a_time_and_not_over_oneself(door: Door):
    peter, anna = await people(door)
    await authorised(door, peter, anna)
    assert (await record(door, peter, anna)).status_code == 409
    assert (await record(door, peter, peter)).json()["errors"][0]["field"] == "representative"


async def test_an_employee_names_by_id_only_whom_the_unit_has_a_case_with(door: Door):
    peter, anna = await people(door)
    by_id = {"citizen": {"borger_id": str(peter.borger_id)}}
    assert (await record(door, peter, anna, **by_id)).status_code == 404
    assert (await record(door, peter, anna, citizen={"borger_id": str(uuid4())})).status_code == 404
    await door.happens("sof.sag.aabnet", peter.borger_id, case_reference="SOF-26-1")
    assert (await record(door, peter, anna, by=ELSEWHERE, **by_id)).status_code == 404
    assert (await record(door, peter, anna, **by_id)).status_code == 201


async def test_an_employee_does_not_act_in_their_own_matter(door: Door):
    peter, anna = await people(door)
    assert (await record(door, peter, anna, by=employee(cpr=peter.cpr))).status_code == 403
    assert (await record(door, peter, anna, by=employee(cpr=anna.cpr))).status_code == 403
    proposed = (await record(door, peter, anna)).json()["authority_id"]
    assert (await decide(door, proposed, "confirm", by=employee("sof102", cpr=anna.cpr))).status_code == 403


@pytest.mark.parametrize(
    "claims", [{"unit": None}, {"acr": "Low"}, {"name": "jens.jensen"}, {"role": "dpo"}, {"role": "citizen"}]
)
async def test_who_is_not_an_employee_in_a_unit_records_nothing(door: Door, claims: dict):
    peter, anna = await people(door)
    assert (await record(door, peter, anna, by=employee(**claims))).status_code == 403


async def test_a_change_is_made_from_what_was_read(door: Door):
    peter, anna = await people(door)
    proposed = await record(door, peter, anna)
    authority_id = proposed.json()["authority_id"]
    assert (await decide(door, authority_id, "confirm", tag=None)).status_code == 428
    assert (await decide(door, authority_id, "confirm", tag='"another"')).status_code == 412
    assert (await decide(door, authority_id, "confirm", tag=proposed.headers["ETag"])).status_code == 200
    repeated = {KEY: uuid4().hex}
    first = await decide(door, authority_id, "end", tag=None, **repeated)
    assert first.json() == (await decide(door, authority_id, "end", tag=None, **repeated)).json()


async def test_a_unit_sees_its_own_and_no_other_units(door: Door):
    peter = await door.citizen()
    ids = [(await record(door, peter, await door.citizen())).json()["authority_id"] for _ in range(3)]
    path = "/v1/authorities?status=proposed&limit=2"
    first = (await door.call("GET", path, SECOND)).json()
    second = (await door.call("GET", f"{path}&cursor={first['next']}", SECOND)).json()
    assert [item["authority_id"] for item in (*first["items"], *second["items"])] == ids[::-1]
    assert second["next"] is None
    assert (await door.call("GET", path, ELSEWHERE)).json()["items"] == []
    assert (await door.call("GET", f"/v1/authorities/{ids[0]}", ELSEWHERE)).status_code == 404
    assert (await door.call("GET", f"/v1/authorities/{ids[0]}", SERVICE)).status_code == 200


async def test_a_representatives_death_ends_what_they_have_said_for_others(door: Door):
    peter, anna = await people(door)
    await authorised(door, peter, anna)
    await door.grant(anna, peter.borger_id)
    await door.happens("cpr.doedsfald", anna.borger_id)
    assert await decided(door, peter.borger_id) is Reason.NO_CONSENT
    [row] = await door.rows("SELECT status FROM authority")
    assert row["status"] == "ended"
    assert (await door.grant(peter)).status_code == 201


async def test_no_entry_or_event_holds_a_number(door: Door):
    peter, anna = await people(door)
    authority_id = await authorised(door, peter, anna)
    await decide(door, authority_id, "end", tag=None)
    entries = [(kind, data["subject"]) for kind, data in await door.told("audit.entries") if "authority" in kind]
    both = {str(peter.borger_id), str(anna.borger_id)}
    for kind in ("authority.proposed", "authority.confirmed", "authority.ended"):
        assert {subject for of, subject in entries if of == kind} == both
    dump = str(await door.rows("SELECT payload FROM outbox")) + str(await door.rows("SELECT * FROM authority"))
    assert peter.cpr not in dump
    assert anna.cpr not in dump
    assert UUID(authority_id)
    assert datetime.now(UTC) - timedelta(minutes=5) < (await door.rows("SELECT ended_at FROM authority"))[0]["ended_at"]


async def test_an_end_at_the_end_of_the_calendar_is_refused_with_what_to_send_instead(door: Door):
    """F06: "until further notice" is null; and no other value is guessed to be a day, a moment or a yes."""
    peter, anna = await people(door)
    refused = await record(door, peter, anna, valid_to="9999-12-31")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "valid_to")
    assert "null where there is no end" in refused.json()["errors"][0]["message"]
    for field, values in (
        ("valid_to", hostile.DAYS),
        ("valid_from", hostile.DAYS),
        ("replaces_citizen", hostile.FLAGS),
    ):
        for value in values:
            answer = await record(door, peter, anna, **{field: value})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), value
    assert (await record(door, peter, anna, valid_to=None)).status_code == 201


async def test_one_unreadable_authority_hides_no_other_on_any_page(door: Door, consent_database: TestDatabase):
    recorded = [(await record(door, *await people(door))).json()["authority_id"] for _ in range(5)]
    session = await asyncpg.connect(consent_database.owner_url.replace("+asyncpg", ""))
    try:
        await session.execute("ALTER TABLE authority DROP CONSTRAINT authority_finite_ck")
        await session.execute("UPDATE authority SET valid_to = 'infinity' WHERE authority_id = $1", UUID(recorded[1]))
        await session.execute("UPDATE authority SET kind = 'unknown' WHERE authority_id = $1", UUID(recorded[3]))
    finally:
        await session.close()
    shown, query = [], "?limit=2"
    while query:
        page = (await door.call("GET", f"/v1/authorities{query}", FIRST)).json()
        shown += [item["authority_id"] for item in page["items"]]
        query = f"?limit=2&cursor={page['next']}" if page["next"] else ""
    assert shown == [recorded[4], recorded[2], recorded[0]]
