"""The inbox: the right caseworker and nobody else, one acquire for every read, and no trace of what is hidden."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.common.observing import metrics
from libs.common.observing.log import dropped_fields
from libs.common.running import alarms
from tests.advis.world.examples import CASEWORKER, RECIPIENT, case_opened, event, opening, treatment_started
from tests.advis.world.reading import audit_entries, rows, states, value

ME = (CASEWORKER, RECIPIENT)
ROLES = ("caseworker",)
ACQUIRE, PREVIEW = "/v1/permits:acquire", "/v1/permits:preview"


async def items(advis, *who, query: str = "") -> list[dict]:
    answer = await advis.get(f"/v1/inbox{query}", *(who or ME))
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def only_id(advis) -> str:
    (item,) = await items(advis)
    return item["notification_id"]


async def test_the_caseworker_sees_what_happened_where_and_whom_to_ask(advis, intake, consent):
    happened = await intake.advis()
    answer = await advis.get("/v1/inbox", *ME)
    assert (answer.headers["cache-control"], answer.headers["content-type"]) == ("no-store", "application/json")
    (item,) = answer.json()["items"]
    assert item["case_reference"] == "BIF-26-1001"
    assert (item["event_type"], item["event_label"]) == (
        happened.type,
        "Behandling for alkohol eller stoffer er startet",
    )
    assert (item["category"], item["purpose"], item["state"]) == ("RUSMIDDEL", "KOORDINERING", "unread")
    assert item["holder_unit"] == "SOF-RUSMIDDEL"
    assert "@" in item["holder_contact"]
    assert item["consents"] == [str(consent.consent_id)]
    assert answer.json()["next"] is None
    assert happened.subject not in answer.text
    (english,) = await items(advis, query="?language=en")
    assert english["event_label"] == "Substance treatment has started"


@pytest.mark.parametrize(
    "other",
    [
        ("bif202", RECIPIENT),
        (CASEWORKER, "BIF-CAB"),
        ("kanten-system", "BIF-CAB", ("recipient_system",)),
    ],
    ids=["another caseworker", "the same person acting in another unit", "another unit's system"],
)
async def test_nobody_else_sees_it_by_list_or_by_id(other, advis, intake):
    await intake.advis()
    known = await only_id(advis)
    assert await items(advis, *other) == []
    answer = await advis.get(f"/v1/inbox/{known}", *other)
    assert answer.status_code == 404
    assert (await advis.post(f"/v1/inbox/{known}:handle", *other)).status_code == 404
    assert await states(advis.resources.database) == ["unread"]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ((CASEWORKER, RECIPIENT, ("dpo",)), 403),
        ((CASEWORKER, RECIPIENT, ("source_system",)), 403),
        ((CASEWORKER, None), 403),
        ((CASEWORKER, "BIF-NOWHERE"), 403),
    ],
)
async def test_without_the_role_or_a_unit_there_is_no_inbox(who, status, advis, consent):
    wanted = str(uuid4())
    assert (await advis.get("/v1/inbox", *who)).status_code == status
    assert (await advis.get(f"/v1/inbox/{wanted}", *who)).status_code == status
    assert (await advis.post(f"/v1/inbox/{wanted}:handle", *who)).status_code == status
    assert (await advis.http.get("/v1/inbox")).status_code == 401
    assert not consent.calls[ACQUIRE]
    entries = await audit_entries(advis.resources.database)
    assert [(entry["type"], entry["outcome"], entry["actor"]) for entry in entries] == [
        ("inbox.listed", "refused", CASEWORKER),
        ("inbox.opened", "refused", CASEWORKER),
        ("inbox.handled", "refused", CASEWORKER),
    ]
    assert [entry["objects"] for entry in entries] == [{}, *[{"notification_id": wanted}] * 2]
    assert {(entry["actor_role"], entry.get("unit")) for entry in entries} == {((who[2:] or [ROLES])[0][0], who[1])}


async def test_a_units_system_sees_the_whole_unit(advis, intake, consent):
    await intake.advis()
    await intake.advis(case_reference="BIF-26-1002", caseworker="bif202")
    seen = await items(advis, "kanten-system", RECIPIENT, ("recipient_system",))
    assert {item["case_reference"] for item in seen} == {"BIF-26-1001", "BIF-26-1002"}
    kinds = {item.kind for call in consent.calls[ACQUIRE] for item in call.items}
    assert kinds == {"api"}


async def test_a_case_handed_over_takes_its_items_with_it(advis, intake):
    happened = await intake.advis()
    handed = event(
        "bif.sag.sagsbehandlerskift",
        UUID(happened.subject),
        RECIPIENT,
        case_reference="BIF-26-1001",
        caseworker="bif202",
    )
    await intake.take(handed)
    assert await items(advis) == []
    assert len(await items(advis, "bif202", RECIPIENT)) == 1


async def test_a_closed_case_shows_nothing(advis, intake):
    happened = await intake.advis()
    await intake.take(event("bif.sag.lukket", UUID(happened.subject), RECIPIENT, case_reference="BIF-26-1001"))
    assert await items(advis) == []


async def test_opening_makes_it_read_and_handling_makes_it_handled(advis, intake):
    await intake.advis()
    known = await only_id(advis)
    opened = await advis.get(f"/v1/inbox/{known}", *ME)
    assert (opened.status_code, opened.json()["state"]) == (200, "read")
    assert (await items(advis))[0]["state"] == "read"
    for _ in range(2):
        handled = await advis.post(f"/v1/inbox/{known}:handle", *ME)
        assert (handled.status_code, handled.json()["state"]) == (200, "handled")
    assert await items(advis) == []
    assert len(await items(advis, query="?state=handled")) == 1
    database = advis.resources.database
    assert len(await audit_entries(database, "notification.handled")) == 1
    kinds = [entry["type"] for entry in await audit_entries(database) if entry["type"].startswith("inbox.")]
    assert kinds == ["inbox.listed", "inbox.opened", "inbox.listed", *["inbox.handled"] * 2, *["inbox.listed"] * 2]


async def test_every_read_makes_exactly_one_acquire_call_with_candidates_or_without(advis, intake, consent):
    await intake.advis()
    known = await only_id(advis)
    consent.calls.clear()
    paths = [
        ("/v1/inbox", ME),
        ("/v1/inbox", ("bif202", RECIPIENT)),
        (f"/v1/inbox/{known}", ME),
        (f"/v1/inbox/{known}", ("bif202", RECIPIENT)),
        (f"/v1/inbox/{uuid4()}", ME),
        ("/v1/inbox/no-identifier", ME),
    ]
    for number, (path, who) in enumerate(paths, start=1):
        await advis.get(path, *who)
        assert len(consent.calls[ACQUIRE]) == number, path
    assert len(consent.calls[PREVIEW]) == 2
    assert [len(call.items) for call in consent.calls[ACQUIRE]] == [1, 0, 1, 0, 0, 0]


async def test_whatever_may_not_be_seen_has_one_byte_identical_answer(advis, intake, consent):
    await intake.advis()
    mine = await only_id(advis)
    hidden = await intake.advis(case_reference="BIF-26-1002")
    await intake.advis(case_reference="BIF-26-1003", caseworker="bif202")
    found = await rows(advis.resources.database, "SELECT notification_id, event_id, case_reference FROM notification")
    withdrawn = next(row.notification_id for row in found if row.event_id == hidden.id)
    others = next(row.notification_id for row in found if row.case_reference == "BIF-26-1003")
    consent.withdraw(UUID(hidden.subject), "KOORDINERING", RECIPIENT)
    answers = []
    for wanted in (withdrawn, withdrawn, others, uuid4(), "no-identifier", str(uuid4()).upper()):
        for send, path in ((advis.get, f"/v1/inbox/{wanted}"), (advis.post, f"/v1/inbox/{wanted}:handle")):
            answer = await send(path, *ME, **({"headers": {}} if send == advis.post else {}))
            headers = {name: text for name, text in answer.headers.items() if name not in {"date", "x-correlation-id"}}
            answers.append((answer.status_code, answer.content, headers))
    assert answers.count(answers[0]) == len(answers)
    assert answers[0][0] == 404
    assert (await advis.get(f"/v1/inbox/{mine}", *ME)).status_code == 200


async def test_a_refused_permit_cancels_at_once_and_says_nothing(advis, intake, consent):
    happened = await intake.advis()
    consent.withdraw(UUID(happened.subject), "KOORDINERING", RECIPIENT)
    assert await items(advis) == []
    database = advis.resources.database
    assert await states(database) == ["cancelled"]
    (entry,) = await audit_entries(database, "notification.cancelled")
    assert (entry["subject"], entry.get("reason")) == (happened.subject, None)
    consent.withdrawn.clear()  # given anew: the break cannot be healed
    assert await items(advis) == []


async def test_a_refusal_between_preview_and_acquire_cancels_too(advis, intake, consent):
    happened = await intake.advis()
    consent.after_preview = lambda: consent.withdraw(UUID(happened.subject), "KOORDINERING", RECIPIENT)
    assert await items(advis) == []
    assert await states(advis.resources.database) == ["cancelled"]


async def test_a_handled_item_goes_too_when_its_permit_is_refused(advis, intake, consent):
    happened = await intake.advis()
    known = await only_id(advis)
    await advis.post(f"/v1/inbox/{known}:handle", *ME)
    consent.withdraw(UUID(happened.subject), "KOORDINERING", RECIPIENT)
    assert await items(advis, query="?state=handled") == []
    assert await states(advis.resources.database) == ["cancelled"]


@pytest.mark.parametrize("trouble", ["away", "lost", "holder_dead"])
async def test_consent_out_of_reach_discloses_nothing_and_cancels_nothing(trouble, advis, intake, consent):
    await intake.advis()
    known = await only_id(advis)
    setattr(consent, trouble, True)
    for path in ("/v1/inbox", f"/v1/inbox/{known}", f"/v1/inbox/{uuid4()}"):
        answer = await advis.get(path, *ME)
        assert answer.status_code == 503, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert "RUSMIDDEL" not in answer.text
    assert await states(advis.resources.database) == ["unread"]
    setattr(consent, trouble, False)
    await advis.settled(consent)
    assert not consent.open_permits  # what was granted and lost is given back
    assert (await advis.get(f"/v1/inbox/{known}", *ME)).status_code == 200


async def test_every_permit_is_settled_and_every_disclosure_recorded(advis, intake, consent):
    happened = await intake.advis()
    known = await only_id(advis)
    await advis.get(f"/v1/inbox/{known}", *ME)
    await advis.settled(consent)
    assert consent.outcomes() == ["disclosed", "disclosed"]
    made = await audit_entries(advis.resources.database, "disclosure.made")
    assert {entry["objects"]["permit_id"] for entry in made} == {str(permit_id) for permit_id in consent.permits}
    assert {(entry["subject"], entry["actor"], entry["unit"]) for entry in made} == {
        (happened.subject, CASEWORKER, RECIPIENT)
    }


async def test_pages_hold_what_may_be_shown_and_hidden_items_leave_no_gap(advis, intake, consent):
    shown, hidden = [], []
    for number in range(9):
        happened = await intake.advis(case_reference=f"BIF-26-{number}")
        (hidden if number in {1, 2, 5, 8} else shown).append(happened)
    for one in hidden:
        consent.withdraw(UUID(one.subject), "KOORDINERING", RECIPIENT)
    pages, query = [], "?limit=2"
    while query:
        answer = (await advis.get(f"/v1/inbox{query}", *ME)).json()
        pages.append([item["case_reference"] for item in answer["items"]])
        query = f"?limit=2&cursor={answer['next']}" if answer["next"] else ""
    assert pages == [["BIF-26-7", "BIF-26-6"], ["BIF-26-4", "BIF-26-3"], ["BIF-26-0"]]


async def test_the_world_with_hidden_items_is_byte_identical_to_the_one_without(advis, intake, consent):
    for number in range(3):
        await intake.advis(case_reference=f"BIF-26-{number}")
    before = await advis.get("/v1/inbox?limit=2", *ME)
    calls = len(consent.calls[ACQUIRE])
    for number in range(3, 6):
        happened = await intake.advis(case_reference=f"BIF-26-{number}")
        consent.withdraw(UUID(happened.subject), "KOORDINERING", RECIPIENT)
    after = await advis.get("/v1/inbox?limit=2", *ME)
    assert after.content == before.content
    assert len(consent.calls[ACQUIRE]) == calls + 1
    rest = await advis.get(f"/v1/inbox?limit=2&cursor={after.json()['next']}", *ME)
    assert (len(rest.json()["items"]), rest.json()["next"]) == (1, None)


async def test_a_full_page_with_only_hidden_items_behind_it_is_the_last(advis, intake, consent):
    behind = await intake.advis(case_reference="BIF-26-1")
    for number in (2, 3):
        await intake.advis(case_reference=f"BIF-26-{number}")
    consent.withdraw(UUID(behind.subject), "KOORDINERING", RECIPIENT)
    page = (await advis.get("/v1/inbox?limit=2", *ME)).json()
    assert (len(page["items"]), page["next"]) == (2, None)


async def test_a_withdrawal_in_the_middle_of_a_long_page_is_answered_with_503_not_a_gap(advis, intake, consent):
    last = None
    for number in range(3):
        last = await intake.advis(case_reference=f"BIF-26-{number}")
    consent.after_preview = lambda: consent.withdraw(UUID(last.subject), "KOORDINERING", RECIPIENT)
    answer = await advis.get("/v1/inbox?limit=2", *ME)
    assert (answer.status_code, "BIF-26" in answer.text) == (503, False)
    await advis.settled(consent)
    assert consent.outcomes() == ["not_sent"]
    assert [item["case_reference"] for item in await items(advis, query="?limit=2")] == ["BIF-26-1", "BIF-26-0"]


@pytest.mark.parametrize("cursor", ["nonsense", "fA", "MjAyNi0xMS0yMlQxMjowMDowMHx4"])
async def test_a_cursor_that_no_page_gave_is_refused_by_name(cursor, advis):
    answer = await advis.get(f"/v1/inbox?cursor={cursor}", *ME)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=cancelled", "state"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("case_reference=Hansen", "case_reference"),
    ],
)
async def test_a_query_that_means_nothing_is_refused_by_name(query, field, advis, consent):
    answer = await advis.get(f"/v1/inbox?{query}", *ME)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert "Hansen" not in answer.text
    assert not consent.calls[ACQUIRE]


async def test_an_inbox_can_be_narrowed_to_a_case(advis, intake):
    await intake.advis()
    await intake.advis(case_reference="BIF-26-1002")
    found = await items(advis, query="?case_reference=BIF-26-1002")
    assert [item["case_reference"] for item in found] == ["BIF-26-1002"]


async def test_one_event_for_two_units_is_one_item_in_each(advis, intake, consent):
    citizen = uuid4()
    happened = treatment_started(citizen)
    consent.openings[happened.id] = [opening(citizen), opening(citizen, "BIF-CAB")]
    await intake.take(case_opened(citizen), case_opened(citizen, unit="BIF-CAB"), happened)
    mine, theirs = await items(advis), await items(advis, CASEWORKER, "BIF-CAB")
    assert (len(mine), len(theirs)) == (1, 1)
    assert mine[0]["notification_id"] != theirs[0]["notification_id"]
    assert await value(advis.resources.database, "SELECT count(*) FROM notification") == 2


async def test_reading_logs_nothing_outside_the_allow_list(advis, intake):
    before = dict(dropped_fields())
    await intake.advis()
    await items(advis)
    assert dropped_fields() == before


async def test_one_unreadable_row_hides_no_other_and_is_counted_and_reported(advis, intake, advis_database):
    """F03, as a database from before the guard would hold it: an infinite moment; and a row of another form."""
    await intake.advis()
    await intake.advis(case_reference="BIF-26-1002")
    await intake.advis(case_reference="BIF-26-1003")
    session = await asyncpg.connect(advis_database.owner_url.replace("+asyncpg", ""))
    try:
        await session.execute("ALTER TABLE notification DROP CONSTRAINT notification_finite_ck")
        change = "UPDATE notification SET {} WHERE case_reference = $1"
        await session.execute(change.format("occurred_at = '-infinity'"), "BIF-26-1001")
        await session.execute(change.format("""reveals = '[{"x": 1}]'"""), "BIF-26-1002")
    finally:
        await session.close()
    before = metrics.REGISTRY.get_sample_value("samtykkebro_unreadable_rows_total", {"list": "inbox"}) or 0
    assert [item["case_reference"] for item in await items(advis)] == ["BIF-26-1003"]
    after = metrics.REGISTRY.get_sample_value("samtykkebro_unreadable_rows_total", {"list": "inbox"})
    assert after == before + 2
    await alarms.flush(advis.resources.database)
    (alarm,) = await rows(
        advis.resources.database, "SELECT code, about, count FROM alarm WHERE code = 'unreadable_row'"
    )
    assert tuple(alarm) == ("unreadable_row", "inbox", 2)
