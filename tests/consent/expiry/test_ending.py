"""A consent ends at its instant (P6, R9): the decision, every status and the record say the same, law before choice."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.database.database import clock
from services.consent.catalogue.entries import Catalogue
from services.consent.catalogue.form import RawEntry, build, revision_of
from services.consent.catalogue_administration.files import read
from services.consent.consents.consent import Status
from services.consent.consents.ending import as_of, cutoffs, status_at
from services.consent.decision.decide import Reason, decide
from services.consent.decision.store import load_snapshot
from services.consent.expiry.worker import sweep
from services.consent.model.calendar import add_months
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.examples import NOW, QUESTION, REFERENCE, a_consent, a_person, a_snapshot
from tests.servers import TestDatabase

INSTANT = timedelta(microseconds=1)
RAW = read(REFERENCE)[0]


def with_ceiling(months: int) -> list[RawEntry]:
    """The reference data in which consent by the GDPR holds so many months."""
    return [
        RawEntry(entry.kind, {**entry.body, "ceiling_months": months})
        if entry.body.get("code") == "GDPR_SAMTYKKE"
        else entry
        for entry in RAW
    ]


@cache
def in_force(months: int) -> Catalogue:
    """As `with_ceiling`."""
    return build(with_ceiling(months))


# At the instant


@pytest.mark.parametrize(
    ("changes", "end", "reason"),
    [
        ({"valid_until": NOW}, NOW, Reason.EXPIRED),
        ({"valid_until": NOW + INSTANT, "ceiling_until": NOW}, NOW, Reason.CEILING),
        ({"given_at": add_months(NOW, -12), "ceiling_until": NOW + timedelta(days=9)}, NOW, Reason.CEILING),
    ],
)
def test_until_the_instant_it_is_a_yes_and_from_it_on_a_no_and_expired(
    changes: dict[str, Any], end: datetime, reason: Reason
):
    consent = a_consent(**{"valid_until": NOW + timedelta(days=9), **changes})
    snapshot = a_snapshot(a_person(consents=(consent,)))
    before, at = decide(QUESTION, snapshot, end - INSTANT), decide(QUESTION, snapshot, end)
    assert (before.permitted, at.permitted, at.reason) == (True, False, reason)
    assert before.ends_at == end
    assert status_at(consent, snapshot.catalogue, end - INSTANT) is Status.ACTIVE
    assert status_at(consent, snapshot.catalogue, end) is Status.EXPIRED


MOMENTS = st.integers(0, 4 * 365 * 24 * 3600).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(moment=MOMENTS, given_at=MOMENTS, until=MOMENTS, ceiling=MOMENTS, months=st.integers(1, 14))
def test_what_a_status_says_is_what_is_decided(
    moment: datetime, given_at: datetime, until: datetime, ceiling: datetime, months: int
):
    consent = a_consent(
        requested_at=given_at, given_at=given_at, valid_from=given_at, valid_until=until, ceiling_until=ceiling
    )
    snapshot = a_snapshot(a_person(consents=(consent,)), catalogue=in_force(months))
    permitted = decide(QUESTION, snapshot, moment).permitted
    active = status_at(consent, snapshot.catalogue, moment) is Status.ACTIVE
    assert permitted is (active and given_at <= moment)


@given(moment=MOMENTS, given_at=MOMENTS, months=st.integers(1, 14))
def test_what_is_looked_for_by_index_is_what_has_reached_its_ceiling(moment: datetime, given_at: datetime, months: int):
    [cutoff] = [item for item in cutoffs(in_force(months), moment) if item.legal_basis == "GDPR_SAMTYKKE"]
    assert (given_at <= cutoff.given_until) is (add_months(given_at, months) <= moment)


@pytest.mark.parametrize("day", [28, 29, 30, 31])
def test_at_the_end_of_a_short_month_too(day: int):
    moment, given_at = datetime(2027, 2, 28, 12, tzinfo=UTC), datetime(2027, 1, day, 12, tzinfo=UTC)
    [cutoff] = [item for item in cutoffs(in_force(1), moment) if item.legal_basis == "GDPR_SAMTYKKE"]
    assert given_at <= cutoff.given_until < given_at.replace(day=31) + INSTANT


def test_a_law_that_grows_milder_gives_nothing_that_was_not_agreed_to():
    consent = a_consent()
    assert as_of(consent, in_force(120), NOW).ends_at == consent.ends_at
    assert as_of(consent, in_force(1), NOW).ends_at == add_months(consent.given_at or NOW, 1)


# Over the door


async def published(database: TestDatabase, raw: list[RawEntry]) -> None:
    """Another catalogue, as its owner writes it."""
    owner = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
    try:
        for entry in raw:
            body, code = json.dumps(entry.body), (entry.kind, entry.body["code"], entry.body["version"])
            await owner.execute(
                "UPDATE catalogue_entry SET body = $4 WHERE kind = $1 AND code = $2 AND version = $3", *code, body
            )
        await owner.execute("UPDATE catalogue_revision SET revision = $1", revision_of(raw))
    finally:
        await owner.close()


async def decided(door: Door, who: Citizen) -> Reason:
    question = QUESTION.__class__(who.borger_id, "BIF-JOBINDSATS", "SOF-BCV", "KOORDINERING", "FREMMOEDE")
    async with door.app.state.database.read() as session:
        return decide(question, await load_snapshot(session, [who.borger_id]), await clock(session)).reason


async def listed(door: Door, who: Citizen, status: str | None = None) -> list[dict[str, Any]]:
    query = "" if status is None else f"?status={status}"
    return (await door.call("GET", f"/v1/citizens/{who.borger_id}/consents{query}", who.token)).json()["items"]


async def given_days_ago(door: Door, days: int) -> Citizen:
    peter = await door.citizen()
    assert (await door.grant(peter)).status_code == 201
    await door.rows(
        "UPDATE consent SET requested_at = t, given_at = t, valid_from = t"
        " FROM (SELECT now() - make_interval(days => $1) AS t) x",
        days,
    )
    return peter


async def swept(door: Door) -> int:
    state = door.app.state
    return await sweep(state.database, state.settings, state.signer)


async def test_a_ceiling_that_shrinks_ends_what_was_given_under_a_longer_one(
    door: Door, consent_database: TestDatabase
):
    peter = await given_days_ago(door, 40)
    assert ([item["status"] for item in await listed(door, peter)], await swept(door)) == (["active"], 0)
    await published(consent_database, with_ceiling(1))
    assert await decided(door, peter) is Reason.CEILING
    [shown] = await listed(door, peter)
    assert shown["status"] == "expired"
    assert shown["valid_until"] == shown["ceiling_until"] < datetime.now(UTC).isoformat()
    assert [len(await listed(door, peter, status)) for status in ("expired", "active")] == [1, 0]
    detail = await door.call("GET", f"/v1/citizens/{peter.borger_id}/consents/{shown['consent_id']}", peter.token)
    assert detail.json()["status"] == "expired"
    assert [await swept(door) for _ in range(2)] == [1, 0]
    [row] = await door.rows("SELECT status FROM consent")
    [receipt] = await door.rows("SELECT event FROM receipt ORDER BY sequence OFFSET 1")
    assert (row["status"], receipt["event"]) == ("expired", "expired")


async def test_a_ceiling_that_shrinks_leaves_what_is_younger_than_it(door: Door, consent_database: TestDatabase):
    peter = await given_days_ago(door, 25)
    await published(consent_database, with_ceiling(1))
    assert await decided(door, peter) is Reason.CONSENT
    assert ([item["status"] for item in await listed(door, peter)], await swept(door)) == (["active"], 0)


async def test_the_ceiling_wins_over_what_was_typed_in(door: Door, consent_database: TestDatabase):
    await published(consent_database, with_ceiling(3))
    peter = await door.citizen()
    wish = (datetime.now(UTC) + timedelta(days=200)).isoformat()
    consent = (await door.grant(peter, valid_until=wish)).json()["consent"]
    assert consent["valid_until"] == consent["ceiling_until"] < wish


@pytest.mark.parametrize(("days", "status"), [(360, 201), (370, 422), (-1, 422)])
async def test_nobody_consents_for_more_than_the_municipalitys_year(door: Door, days: int, status: int):
    wish = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    answer = await door.grant(await door.citizen(), valid_until=wish)
    assert answer.status_code == status
    assert status == 201 or answer.json()["errors"][0]["field"] == "valid_until"


async def notices(door: Door, who: Citizen) -> list[str]:
    answer = await door.call("GET", f"/v1/citizens/{who.borger_id}/notices", who.token)
    return [item["kind"] for item in answer.json()["items"]]


@pytest.mark.parametrize(("days", "told"), [(29, ["expiring_soon"]), (31, [])])
async def test_the_citizen_is_told_once_thirty_days_before(door: Door, days: int, told: list[str]):
    peter = await door.citizen()
    await door.grant(peter, valid_until=(datetime.now(UTC) + timedelta(days=days)).isoformat())
    for _ in range(2):
        await swept(door)
        await door.rows("DELETE FROM inbox RETURNING 1")  # keys of the bus are purged; what was told stays told
    assert await notices(door, peter) == told
    bus = [kind for kind, _ in await door.told("consent.events")]
    assert bus.count("samtykke.snart_udloeber") == len(told)


async def test_the_citizen_is_told_of_a_ceiling_that_comes_near_too(door: Door, consent_database: TestDatabase):
    peter = await given_days_ago(door, 25)
    await swept(door)
    assert await notices(door, peter) == []
    await published(consent_database, with_ceiling(1))
    await swept(door)
    assert await notices(door, peter) == ["expiring_soon"]


async def test_what_has_ended_is_not_announced_as_ending(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    await door.rows("UPDATE consent SET valid_until = now()")
    await swept(door)
    assert await notices(door, peter) == []


async def test_silence_ends_it_and_renews_nothing(door: Door):
    peter = await door.citizen()
    soon = datetime.now(UTC) + timedelta(days=2)
    await door.grant(peter, valid_until=soon.isoformat())
    await swept(door)
    await door.rows("UPDATE consent SET valid_until = now()")
    assert await decided(door, peter) is Reason.EXPIRED
    await swept(door)
    assert [item["status"] for item in await listed(door, peter)] == ["expired"]
    assert await decided(door, peter) is Reason.NO_CONSENT


async def test_an_answer_ends_the_silence(door: Door):
    peter = await door.citizen()
    soon = datetime.now(UTC) + timedelta(days=2)
    await door.grant(peter, valid_until=soon.isoformat())
    await swept(door)
    renewed = await door.call(
        "POST",
        f"/v1/citizens/{peter.borger_id}/consents",
        peter.token,
        json=await door.body(),
        headers={KEY: "renewed-in-time"},
    )
    assert renewed.status_code == 201
    assert renewed.json()["consent"]["valid_until"] > (soon + timedelta(days=300)).isoformat()
    assert await decided(door, peter) is Reason.CONSENT


async def test_the_recipients_closed_case_ends_it_before_its_year(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    await door.happens("sof.sag.lukket", peter.borger_id, case_reference="SOF-26-1")
    assert [(item["status"], item["closed_reason"]) for item in await listed(door, peter)] == [
        ("closed", "case_closed")
    ]
    assert (await decided(door, peter)).value in {"no_consent", "case_closed"}
