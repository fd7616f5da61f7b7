"""Asking (U8): who may, about whom, for what; and that whoever asks learns a state and nothing else."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.consent.requests.worker import sweep
from tests.consent.world import issuer
from tests.consent.world.asking import ASKED, HOLDER, NO, RECIPIENT, Desk, item, passes, yes
from tests.consent.world.door import KEY, Door
from tests.consent.world.people import adult, number
from tests.consent.world.staff import employee
from tests.servers import TestDatabase

Passes = Callable[[float], Awaitable[None]]


@pytest.fixture
def desk(door: Door) -> Desk:
    return Desk(door)


@pytest.fixture
def days(consent_database: TestDatabase) -> Passes:
    return lambda number: passes(consent_database.owner_url, number)


def field_of(answer) -> str:
    return answer.json()["errors"][0]["field"]


async def test_a_request_waits_and_says_who_may_know_what_until_when(desk: Desk):
    peter = await desk.known()
    answer = await desk.ask(peter.borger_id, case_reference="SOF-26-1")
    made = answer.json()
    assert (answer.status_code, made["state"], made["reply"]) == (201, "requested", None)
    assert (made["unit"], made["function"], made["case_reference"]) == (RECIPIENT, "caseworker", "SOF-26-1")
    lasts = datetime.fromisoformat(made["answer_by"]) - datetime.fromisoformat(made["requested_at"])
    assert lasts == timedelta(days=30)
    [row] = await desk.door.rows("SELECT status, request_id, given_at FROM consent")
    assert tuple(row) == ("requested", UUID(made["request_id"]), None)
    read = await desk.door.call("GET", f"/v1/requests/{made['request_id']}", desk.token)
    assert (read.json(), read.headers["ETag"]) == (made, answer.headers["ETag"])


async def test_a_request_is_no_consent(desk: Desk):
    peter = await desk.known()
    await desk.asked(peter.borger_id)
    covered = "SELECT 1 FROM coverage c JOIN scope s USING (borger_id) WHERE c.since_epoch < s.epoch"
    assert await desk.door.rows(covered) == []
    assert await desk.door.told("consent.events") == []
    assert await desk.door.rows("SELECT 1 FROM receipt") == []


async def test_the_trail_knows_who_asked_in_which_unit_and_the_citizen_only_the_unit(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    entry = dict(await desk.door.told("audit.entries"))["consent_request.recorded"]
    assert (entry["actor"], entry["actor_role"], entry["unit"]) == ("sof101", "caseworker", RECIPIENT)
    assert (entry["subject"], entry["objects"]) == (str(peter.borger_id), {"request_id": made["request_id"]})
    [shown] = await desk.waiting(peter)
    assert (shown["asked_by"]["code"], shown["function"]) == (RECIPIENT, "caseworker")
    assert "sof101" not in json.dumps(shown)
    notices = (await desk.door.call("GET", f"/v1/citizens/{peter.borger_id}/notices", peter.token)).json()["items"]
    assert [(one["kind"], one["object_id"]) for one in notices] == [("consent_requested", made["request_id"])]


async def test_the_number_may_be_sent_instead_and_is_kept_nowhere(desk: Desk):
    cpr = adult()
    peter = await desk.known(cpr=cpr)
    made = await desk.asked(cpr)
    assert made["borger_id"] == str(peter.borger_id)
    for table in ("idempotency", "consent_request", "outbox"):
        found = await desk.door.rows(f"SELECT to_jsonb(t) #>> '{{}}' AS row FROM {table} t")
        assert found
        assert not [row for row in found if cpr in row["row"]]


async def test_a_key_stands_for_the_citizen_and_never_for_the_number(desk: Desk):
    peter, headers = await desk.known(), {KEY: uuid4().hex}
    first = await desk.ask(peter.cpr, headers=headers)
    again = await desk.ask(peter.borger_id, headers=headers)
    assert (first.status_code, again.content) == (201, first.content)


async def test_whoever_the_unit_has_no_open_case_about_is_as_unknown_as_nobody(desk: Desk):
    stranger, others, closed = await desk.door.citizen(), await desk.known("SOF-BCH"), await desk.known()
    await desk.case(closed.borger_id, RECIPIENT, closed=True)
    dead = await desk.known()
    await desk.door.happens("cpr.doedsfald", dead.borger_id)
    about = (uuid4(), adult(), stranger.borger_id, stranger.cpr, others.borger_id, closed.borger_id, dead.borger_id)
    answers = [await desk.ask(who) for who in about]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    hidden = {"x-request-id", "x-correlation-id", "traceparent", "date"}
    heads = [{name: value for name, value in one.headers.items() if name not in hidden} for one in answers]
    assert all(head == heads[0] for head in heads)
    assert await desk.door.rows("SELECT 1 FROM consent UNION ALL SELECT 1 FROM idempotency") == []
    refused = [entry for kind, entry in await desk.door.told("audit.entries") if kind == "consent_request.refused"]
    assert [entry["outcome"] for entry in refused] == ["refused"] * len(about)
    assert [entry.get("subject") for entry in refused][:3] == [None, None, str(stranger.borger_id)]


IMPOSSIBLE = [
    ({"purpose": "KONTROL"}, "purpose"),
    ({"items": []}, "items"),
    ({"items": [item(categories=())]}, "items.0.categories"),
    ({"items": [item(categories=("ALT",))]}, "items.0.categories"),
    ({"items": [item(), item(categories=("BOLIG",))]}, "items.1"),  # the same two units twice
    ({"items": [item(), item(holder="BIF-KANTEN", categories=("BOLIG",))]}, "items.1.categories"),
    ({"items": [item(categories=("BARN_SAG",))]}, "items.0.categories"),
    ({"items": [item(categories=("KRISECENTER",))]}, "items.0.categories"),  # R34
    ({"items": [item(holder="BIF-NOWHERE")]}, "items.0.holder_unit"),
    ({"items": [item(holder=RECIPIENT, recipient="BIF-NOWHERE")]}, "items.0.recipient_unit"),
    ({"items": [item(recipient="SOF-BCH")]}, "items.0"),  # another unit's business
    ({"text_version": 99}, "text_version"),
    ({"language": "sv"}, "language"),
    ({"case_reference": "SOF-26-9"}, "case_reference"),
    ({"citizen": {}}, "citizen"),
    ({"citizen": {"cpr": "1234567890"}}, "citizen.cpr"),
    ({"reason": "because"}, "body"),
]


async def test_what_no_citizen_could_say_yes_to_is_not_asked(desk: Desk):
    peter = await desk.known()
    for changes, field in IMPOSSIBLE:
        answer = await desk.ask(peter.borger_id, **changes)
        assert (answer.status_code, field_of(answer)) == (422, field), answer.text
    assert await desk.door.rows("SELECT 1 FROM consent_request UNION ALL SELECT 1 FROM consent") == []
    await desk.asked(peter.borger_id)


async def test_what_is_about_a_child_is_asked_for_the_child_and_of_whoever_holds_custody(desk: Desk):
    mother, child = await desk.door.citizen(), await desk.door.citizen(number(date(datetime.now(UTC).year - 8, 1, 1)))
    await desk.case(child.borger_id, "SOF-BCH")
    wish = {"purpose": "FAMILIEINDSATS", "token": employee(unit="SOF-BCH")}
    about = item("SOF-BCH", HOLDER, ("BARN_SAG",))
    nobody = await desk.ask(child.borger_id, about, **wish)
    assert (nobody.status_code, field_of(nobody)) == (422, "citizen")
    custody = {"custody_holders": (mother.borger_id,)}
    await desk.door.happens("cpr.foraeldremyndighed_aendret", child.borger_id, **custody)
    await desk.asked(child.borger_id, about, **wish)
    told = await desk.door.rows("SELECT borger_id FROM notice")
    assert [row["borger_id"] for row in told] == [mother.borger_id]


NOT_ASKERS = [
    (employee(acr="Low"), 403),
    (employee(acr=None), 403),
    (employee(unit=None), 403),
    (employee(role="dpo"), 403),
    (employee(role="source_system"), 403),
    (issuer.citizen(adult()), 403),
    (None, 401),
]


async def test_only_an_employee_with_a_unit_asks(desk: Desk):
    peter = await desk.known()
    for token, status in NOT_ASKERS:
        assert (await desk.ask(peter.borger_id, token=token)).status_code == status
    await desk.asked(peter.borger_id, token=employee(acr="https://data.gov.dk/concept/core/nsis/loa/High"))


async def test_a_bridge_builder_acts_in_one_unit_at_a_time_and_names_it(desk: Desk):
    peter = await desk.known(HOLDER, RECIPIENT)
    token = employee(unit=HOLDER, name="bro101", role="bridge_builder", host_unit=RECIPIENT)
    unnamed = await desk.ask(peter.borger_id, token=token)
    assert (unnamed.status_code, field_of(unnamed)) == (422, "Acting-Unit")
    other = await desk.ask(peter.borger_id, token=token, headers={"Acting-Unit": "SOF-BCH"})
    assert other.status_code == 403
    made = await desk.asked(peter.borger_id, token=token, headers={"Acting-Unit": RECIPIENT})
    assert (made["unit"], made["function"]) == (RECIPIENT, "bridge_builder")
    entry = dict(await desk.door.told("audit.entries"))["consent_request.recorded"]
    assert (entry["actor"], entry["unit"]) == ("bro101", RECIPIENT)
    path = f"/v1/requests/{made['request_id']}"
    at_home = await desk.door.call("GET", path, token, headers={"Acting-Unit": HOLDER})
    at_host = await desk.door.call("GET", path, token, headers={"Acting-Unit": RECIPIENT})
    assert (at_home.status_code, at_host.status_code) == (404, 200)


async def test_a_caseworker_has_no_second_unit_whatever_the_token_says(desk: Desk):
    peter = await desk.known(HOLDER)
    token = employee(unit=RECIPIENT, host_unit=HOLDER)
    assert (await desk.ask(peter.borger_id, token=token, headers={"Acting-Unit": HOLDER})).status_code == 403


async def test_one_key_is_one_request(desk: Desk):
    peter = await desk.known()
    headers = {KEY: uuid4().hex}
    first = await desk.ask(peter.borger_id, headers=headers)
    again = await desk.ask(peter.borger_id, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    other = await desk.ask(peter.borger_id, item(categories=("FREMMOEDE",)), headers=headers)
    assert other.status_code == 409
    assert len(await desk.door.rows("SELECT 1 FROM consent_request")) == 1


async def test_the_same_question_is_not_asked_twice_at_a_time_also_by_the_other_unit(desk: Desk):
    peter = await desk.known(HOLDER, RECIPIENT)
    await desk.asked(peter.borger_id)
    for token in (desk.token, employee(unit=HOLDER, name="bif101")):
        assert (await desk.ask(peter.borger_id, token=token)).status_code == 409
    await desk.asked(peter.borger_id, item("BIF-KANTEN"))


async def test_another_unit_sees_nothing_of_a_request_and_does_nothing_to_it(desk: Desk):
    peter = await desk.known(HOLDER, RECIPIENT)
    made = await desk.asked(peter.borger_id)
    other = Desk(desk.door, employee(unit=HOLDER, name="bif101"))
    path = f"/v1/requests/{made['request_id']}"
    unknown = await desk.door.call("GET", f"/v1/requests/{uuid4()}", other.token)
    assert (await desk.door.call("GET", path, other.token)).content == unknown.content
    assert (await desk.door.call("GET", "/v1/requests", other.token)).json()["items"] == []
    for act in ("remind", "cancel"):
        assert (await other.turn(made, act, **{"If-Match": "*"})).status_code == 404
    assert await desk.state(made) == ("requested", None)


async def test_with_the_units_case_its_knowledge_ends(desk: Desk):
    peter = await desk.known(HOLDER)
    asker = Desk(desk.door, employee(unit=HOLDER, name="bif101"))
    made = await asker.asked(peter.borger_id)
    await desk.case(peter.borger_id, HOLDER, closed=True)
    assert (await desk.door.call("GET", f"/v1/requests/{made['request_id']}", asker.token)).status_code == 404
    assert (await desk.door.call("GET", "/v1/requests", asker.token)).json()["items"] == []
    assert len(await desk.waiting(peter)) == 1


async def test_requests_are_paged_newest_first(desk: Desk):
    made = []
    for _ in range(3):
        peter = await desk.known()
        made.append((await desk.asked(peter.borger_id))["request_id"])
    first = (await desk.door.call("GET", "/v1/requests?limit=2", desk.token)).json()
    second = (await desk.door.call("GET", f"/v1/requests?limit=2&cursor={first['next']}", desk.token)).json()
    assert [one["request_id"] for one in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None
    assert (await desk.door.call("GET", "/v1/requests?cursor=x", desk.token)).status_code == 422


async def test_one_reminder_and_not_too_soon(desk: Desk, days: Passes):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    soon = await desk.turn(made, "remind")
    allowed = datetime.fromisoformat(made["requested_at"]) + timedelta(days=7)
    assert (soon.status_code, datetime.fromisoformat(soon.json()["not_before"])) == (409, allowed)
    await days(7.01)
    reminded = await desk.turn(made, "remind")
    assert (reminded.status_code, reminded.json()["state"]) == (200, "requested")
    assert reminded.json()["reminded_at"] is not None
    assert (await desk.turn(made, "remind")).status_code == 409
    kinds = [row["kind"] for row in await desk.door.rows("SELECT kind FROM notice ORDER BY at")]
    assert kinds == ["consent_requested", "consent_request_reminder"]
    assert [kind for kind, _ in await desk.door.told("audit.entries")].count("consent_request.reminded") == 1


async def test_what_is_answered_is_not_reminded_of_nor_taken_back(desk: Desk, days: Passes):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    await days(8)
    await desk.answer(peter, made, yes())
    for act in ("remind", "cancel"):
        assert (await desk.turn(made, act)).status_code == 409
    assert await desk.state(made) == ("answered", "given")


@pytest.mark.parametrize("act", ["remind", "cancel"])
async def test_a_turn_names_what_it_was_made_from(desk: Desk, days: Passes, act: str):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    await days(8)
    path = f"/v1/requests/{made['request_id']}"
    tag = (await desk.door.call("GET", path, desk.token)).headers["ETag"]
    assert (await desk.turn(made, act, **{"If-Match": None})).status_code == 428
    assert (await desk.turn(made, act, **{"If-Match": '"0"'})).status_code == 412
    key = uuid4().hex
    done = await desk.turn(made, act, **{"If-Match": tag, KEY: key})
    assert done.status_code == 200
    assert done.headers["ETag"] == (await desk.door.call("GET", path, desk.token)).headers["ETag"] != tag
    again = await desk.turn(made, act, **{"If-Match": tag, KEY: key})
    assert (again.status_code, again.content) == (200, done.content)
    assert (await desk.turn(made, act, **{"If-Match": tag})).status_code == 412


async def test_taken_back_it_waits_no_more_and_may_be_asked_again(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    assert (await desk.turn(made, "cancel")).json()["state"] == "withdrawn_by_requester"
    assert (await desk.answer(peter, made, yes())).status_code == 422  # nothing in it is open
    assert (await desk.decline(peter, made)).status_code == 409
    [row] = await desk.door.rows("SELECT status, closed_reason FROM consent")
    assert tuple(row) == ("closed", "request_cancelled")
    assert await desk.door.rows("SELECT 1 FROM notice WHERE seen_at IS NULL") == []
    await desk.asked(peter.borger_id)


async def test_silence_is_never_a_yes_and_lapses_with_or_without_the_worker(desk: Desk, days: Passes):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    await days(29.9)
    assert await desk.state(made) == ("requested", None)
    await days(0.2)
    assert await desk.state(made) == ("lapsed", None)
    assert [one["status"] for one in (await desk.waiting(peter))[0]["items"]] == ["expired"]
    assert (await desk.answer(peter, made, yes())).status_code == 422
    assert (await desk.decline(peter, made)).status_code == 409
    state = desk.door.app.state
    assert [await sweep(state.database, state.settings, state.signer) for _ in range(2)] == [1, 0]
    assert await desk.state(made) == ("lapsed", None)
    [row] = await desk.door.rows("SELECT status FROM consent")
    assert row["status"] == "expired"
    kinds = [kind for kind, _ in await desk.door.told("audit.entries")]
    assert (kinds.count("consent_request.lapsed"), kinds.count("consent.expired")) == (1, 1)
    await desk.asked(peter.borger_id)  # silence is no no either: it may be asked again


async def test_what_has_lapsed_unswept_does_not_stand_in_the_way(desk: Desk, days: Passes):
    peter = await desk.known()
    first = await desk.asked(peter.borger_id)
    await days(31)
    await desk.asked(peter.borger_id)
    assert await desk.state(first) == ("lapsed", None)
    rows = await desk.door.rows("SELECT status FROM consent ORDER BY requested_at")
    assert [row["status"] for row in rows] == ["expired", "requested"]


async def test_after_a_no_the_same_is_not_asked_for_ninety_days_and_that_is_all_that_is_said(desk: Desk, days: Passes):
    peter = await desk.known(HOLDER, RECIPIENT)
    made = await desk.asked(peter.borger_id)
    await desk.decline(peter, made)
    assert await desk.state(made) == ("answered", "declined")
    for token in (desk.token, employee(unit=HOLDER, name="bif101")):
        refused = await desk.ask(peter.borger_id, token=token)
        problem = refused.json()
        assert (refused.status_code, set(problem)) == (409, {"type", "title", "status", "detail", "not_before"})
        waits = datetime.fromisoformat(problem["not_before"]) - datetime.now(UTC)
        assert timedelta(days=89) < waits <= timedelta(days=90)
    await desk.asked(peter.borger_id, item("BIF-KANTEN"))  # another question
    await days(89.9)
    assert (await desk.ask(peter.borger_id)).status_code == 409
    await days(0.2)
    await desk.asked(peter.borger_id)


async def test_against_a_refusal_that_stands_nobody_asks(desk: Desk):
    peter = await desk.known()
    path = f"/v1/citizens/{peter.borger_id}/refusals"
    refusal = {"purpose": "KOORDINERING", "recipient_unit": RECIPIENT}
    given = (await desk.door.call("POST", path, peter.token, json=refusal)).json()
    refused = await desk.ask(peter.borger_id)
    assert (refused.status_code, refused.json()["not_before"]) == (409, None)
    await desk.door.call("POST", f"{path}/{given['refusal_id']}:lift", peter.token)
    await desk.asked(peter.borger_id)


async def test_the_asker_learns_nothing_of_what_becomes_of_a_yes(desk: Desk, days: Passes):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    path = f"/v1/requests/{made['request_id']}"
    said = (await desk.answer(peter, made, yes("FREMMOEDE"))).json()
    before = await desk.door.call("GET", path, desk.token)
    assert before.json() == {**made, "state": "answered", "reply": "given_in_part"}
    consent = said["items"][0]["consent"]["consent_id"]
    withdraw = f"/v1/citizens/{peter.borger_id}/consents/{consent}:withdraw"
    assert (await desk.door.call("POST", withdraw, peter.token)).status_code == 200
    after = await desk.door.call("GET", path, desk.token)
    assert (after.content, after.headers["ETag"]) == (before.content, before.headers["ETag"])


async def test_the_end_of_the_recipients_case_or_a_death_reads_as_lapsed(desk: Desk):
    peter = await desk.known(HOLDER, RECIPIENT)
    asker = Desk(desk.door, employee(unit=HOLDER, name="bif101"))
    made = await asker.asked(peter.borger_id)
    await desk.case(peter.borger_id, RECIPIENT, closed=True)
    assert await asker.state(made) == ("lapsed", None)


async def test_of_two_items_one_no_is_an_answer_in_part(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id, item(), item("BIF-KANTEN", categories=("FREMMOEDE",)))
    await desk.answer(peter, made, yes(*ASKED), NO)
    assert await desk.state(made) == ("answered", "given_in_part")
