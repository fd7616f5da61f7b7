"""Answering (U8): in part or in whole, special categories by an act of their own, and a no that takes no more."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from libs.common.wire.permits import PermitItem, Revealed
from tests.consent.world.asking import ASKED, HOLDER, LATER, NO, RECIPIENT, Desk, item, passes, yes
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.fence_world import World, an_item
from tests.consent.world.people import number
from tests.consent.world.staff import authorised, employee
from tests.servers import TestDatabase

Passes = Callable[[float], Awaitable[None]]
TREATMENT = item("SOF-RUSMIDDEL", "BIF-KANTEN", ("RUSMIDDEL", "FREMMOEDE"))
CHILD = {"purpose": "FAMILIEINDSATS", "token": employee(unit="SOF-BCH")}
CHILD_ITEM = item("SOF-BCH", HOLDER, ("BARN_SAG", "SAGSEKSISTENS"))
CHILD_TEXT = {"affirmed_special": ["BARN_SAG"]}


@pytest.fixture
def desk(door: Door) -> Desk:
    return Desk(door)


@pytest.fixture
def days(consent_database: TestDatabase) -> Passes:
    return lambda number: passes(consent_database.owner_url, number)


def field_of(answer) -> str:
    return answer.json()["errors"][0]["field"]


async def test_the_citizen_sees_who_asks_what_for_and_how_to_say_no(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id, language="en")
    [shown] = await desk.waiting(peter)
    assert shown["asked_by"] == {
        "code": RECIPIENT,
        "label": {"da": "Borgercenter Voksne", "en": "Citizen Centre for Adults"},
    }
    assert (shown["purpose"]["code"], shown["language"], shown["state"]) == ("KOORDINERING", "en", "requested")
    assert shown["text"]["languages"]["en"] == await desk.door.text("KOORDINERING", "en")
    [asked] = shown["items"]
    assert [(one["code"], one["special"]) for one in asked["categories"]] == [(code, False) for code in ASKED]
    assert (asked["open"], asked["status"], asked["holder"]["code"]) == (True, "requested", HOLDER)
    path = f"/v1/citizens/{peter.borger_id}/requests/{made['request_id']}"
    assert (shown["answer_path"], shown["decline_path"]) == (f"{path}:answer", f"{path}:decline")


async def test_nobody_else_sees_it_or_answers_it(desk: Desk):
    peter, morten = await desk.known(), await desk.known()
    made = await desk.asked(peter.borger_id)
    path = f"/v1/citizens/{peter.borger_id}/requests"
    assert (await desk.door.call("GET", path, morten.token)).status_code == 404
    assert (await desk.door.call("GET", path, desk.token)).status_code == 403
    for about in (peter.borger_id, morten.borger_id):
        assert (await desk.decline(morten, made, about=about)).status_code == 404
    assert await desk.state(made) == ("requested", None)
    assert await desk.waiting(morten) == []


async def test_a_yes_is_a_grant_of_what_was_accepted_until_when_was_chosen(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    until = datetime.now(UTC) + timedelta(days=20)
    answer = await desk.answer(peter, made, yes("FREMMOEDE", valid_until=until.isoformat()))
    assert (answer.status_code, answer.json()["state"], answer.json()["reply"]) == (200, "answered", "given_in_part")
    [said] = answer.json()["items"]
    consent = said["consent"]
    assert (consent["status"], consent["categories"]) == ("active", ["FREMMOEDE"])
    assert datetime.fromisoformat(consent["valid_until"]) == until
    [row] = await desk.door.rows("SELECT consent_id::text, request_id::text, status FROM consent")
    assert tuple(row) == (consent["consent_id"], made["request_id"], "active")
    assert [kind for kind, _ in await desk.door.told("consent.events")] == ["samtykke.afgivet"]
    entry = dict(await desk.door.told("audit.entries"))["consent.granted"]
    assert entry["objects"]["request_id"] == made["request_id"]
    [receipt] = await desk.door.rows("SELECT event, jws FROM receipt")
    assert tuple(receipt) == ("given", said["receipt"])
    covered = await desk.door.rows(
        "SELECT c.category FROM coverage c JOIN scope s USING (borger_id) WHERE c.since_epoch = s.epoch"
    )
    assert [row["category"] for row in covered] == ["FREMMOEDE"]


async def test_a_yes_lasts_as_long_as_one_that_nobody_asked_for(desk: Desk, days: Passes):
    """Its time begins when it is given, not when it was asked for, and a receipt says whose rule that is."""
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    await days(20)
    consent = (await desk.answer(peter, made, yes())).json()["items"][0]["consent"]
    lasts = datetime.fromisoformat(consent["valid_until"]) - datetime.fromisoformat(consent["given_at"])
    assert timedelta(days=364) < lasts <= timedelta(days=366)


async def test_a_no_is_recorded_proven_and_told_as_a_no(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    answer = await desk.answer(peter, made, NO, language=None, text_sha256=None)
    assert (answer.status_code, answer.json()["reply"]) == (200, "declined")
    [said] = answer.json()["items"]
    assert (said["consent"]["status"], said["consent"]["closed_reason"]) == ("declined", None)
    assert [tuple(row) for row in await desk.door.rows("SELECT event, jws FROM receipt")] == [
        ("declined", said["receipt"])
    ]
    [(kind, data)] = await desk.door.told("consent.events")
    assert (kind, data["consent_id"]) == ("samtykke.afvist", said["consent"]["consent_id"])
    entry = dict(await desk.door.told("audit.entries"))["consent.declined"]
    assert (entry["outcome"], entry["actor"], entry["objects"]["request_id"]) == (
        "success",
        "citizen",
        made["request_id"],
    )
    assert await desk.door.rows("SELECT 1 FROM notice WHERE seen_at IS NULL") == []


async def test_no_to_everything_is_one_step_and_said_again_changes_nothing(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id, item(), item("BIF-KANTEN"))
    first, again = await desk.decline(peter, made), await desk.decline(peter, made)
    assert [one["consent"]["status"] for one in first.json()["items"]] == ["declined", "declined"]
    assert (again.status_code, again.json()) == (200, {**first.json(), "items": []})
    assert len(await desk.door.rows("SELECT 1 FROM receipt")) == 2
    assert await desk.state(made) == ("answered", "declined")


async def test_each_special_category_accepted_takes_an_act_of_its_own(desk: Desk):
    hans = await desk.known("BIF-KANTEN")
    made = await desk.asked(hans.borger_id, TREATMENT, token=employee(unit="BIF-KANTEN"))
    [shown] = await desk.waiting(hans)
    assert [(one["code"], one["special"]) for one in shown["items"][0]["categories"]] == [
        ("FREMMOEDE", False),
        ("RUSMIDDEL", True),
    ]
    for affirmed in ([], ["FREMMOEDE"], ["RUSMIDDEL", "FREMMOEDE"]):
        refused = await desk.answer(hans, made, yes("RUSMIDDEL", "FREMMOEDE", affirmed_special=affirmed))
        assert (refused.status_code, field_of(refused)) == (422, "items.0.affirmed_special")
        assert refused.json()["errors"][0]["known"] == ["RUSMIDDEL"]
    given = await desk.answer(hans, made, yes("RUSMIDDEL", "FREMMOEDE", affirmed_special=["RUSMIDDEL"]))
    assert given.json()["reply"] == "given"


async def test_what_is_not_special_needs_no_second_act(desk: Desk):
    hans = await desk.known("BIF-KANTEN")
    made = await desk.asked(hans.borger_id, TREATMENT, token=employee(unit="BIF-KANTEN"))
    assert (await desk.answer(hans, made, yes("FREMMOEDE"))).json()["reply"] == "given_in_part"


REFUSED = [
    ((yes("FREMMOEDE", "FORSOERGELSE"), LATER), {}, "items.0.categories"),  # was not asked for
    ((LATER, yes("FREMMOEDE", valid_until="2020-01-01T00:00:00Z")), {}, "items.1.valid_until"),
    ((yes(),), {}, "items"),  # the other one is not mentioned
    ((yes(), {"answer": "maybe"}), {}, "items.1"),
    ((yes(), {**NO, "categories": ["FREMMOEDE"]}), {}, "items.1.decline"),
    ((yes(), {**NO, "reason": "no"}), {}, "items.1.decline"),
    ((yes(), NO), {"text_sha256": None}, "text_sha256"),
    ((yes(), NO), {"language": None}, "text_sha256"),
    ((yes(), NO), {"text_sha256": "0" * 64}, "text_sha256"),
    ((yes(), NO), {"language": "en"}, "text_sha256"),
    ((yes(), NO), {"text_version": 9}, "text_version"),
    ((yes(), {**NO, "item_id": str(uuid4())}), {}, "items.1.item_id"),
]


async def test_an_answer_that_is_not_one_is_refused_by_field_and_changes_nothing(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id, item(), item("BIF-KANTEN"))
    for choices, changes, field in REFUSED:
        answer = await desk.answer(peter, made, *choices, **changes)
        assert (answer.status_code, field_of(answer)) == (422, field), answer.text
    assert {row["status"] for row in await desk.door.rows("SELECT status FROM consent")} == {"requested"}
    assert await desk.door.rows("SELECT 1 FROM receipt") == []


async def test_items_may_be_answered_one_after_the_other(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id, item(), item("BIF-KANTEN"))
    first = await desk.answer(peter, made, LATER, NO)
    assert (first.json()["state"], first.json()["reply"], len(first.json()["items"])) == ("requested", None, 1)
    assert await desk.state(made) == ("requested", None)
    second = await desk.answer(peter, made, yes())
    assert (second.json()["state"], second.json()["reply"]) == ("answered", "given_in_part")


async def test_one_key_is_one_answer(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    [shown] = await desk.waiting(peter)
    digest = shown["text"]["languages"]["da"]["sha256"]
    body = {"items": [{"item_id": shown["items"][0]["item_id"], **yes()}], "language": "da", "text_sha256": digest}
    headers = {KEY: uuid4().hex}
    first, again = [
        await desk.door.call("POST", shown["answer_path"], peter.token, headers=headers, json=body) for _ in range(2)
    ]
    assert (again.status_code, again.content) == (first.status_code, first.content) == (200, first.content)
    other = {**body, "items": [{"item_id": shown["items"][0]["item_id"], **NO}]}
    assert (
        await desk.door.call("POST", shown["answer_path"], peter.token, headers=headers, json=other)
    ).status_code == 409
    assert (await desk.door.call("POST", shown["answer_path"], peter.token, json=body)).status_code == 422
    assert await desk.state(made) == ("answered", "given")


async def test_what_is_answered_takes_no_other_answer(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    [shown] = await desk.waiting(peter)
    await desk.answer(peter, made, yes())
    assert (await desk.decline(peter, made)).status_code == 409
    body = {"items": [{"item_id": shown["items"][0]["item_id"], **NO}]}
    late = await desk.door.call("POST", shown["answer_path"], peter.token, headers={KEY: uuid4().hex}, json=body)
    assert late.status_code == 409
    consent = f"/v1/citizens/{peter.borger_id}/consents/{shown['items'][0]['consent_id']}"
    assert (await desk.door.call("POST", f"{consent}:decline", peter.token)).status_code == 409
    assert await desk.state(made) == ("answered", "given")


async def test_a_grant_of_ones_own_accord_answers_what_waits_for_the_same(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    wider = [*ASKED, "FORSOERGELSE"]
    granted = (await desk.door.grant(peter, categories=wider)).json()["consent"]
    assert granted["categories"] == sorted(wider)
    assert await desk.state(made) == ("answered", "given")
    assert len(await desk.door.rows("SELECT 1 FROM consent")) == 1


async def test_a_grant_of_something_else_leaves_the_request_waiting(desk: Desk):
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    await desk.door.grant(peter, categories=["FORSOERGELSE"])
    assert await desk.state(made) == ("requested", None)
    await desk.answer(peter, made, yes())
    rows = await desk.door.rows("SELECT status, closed_reason FROM consent ORDER BY given_at")
    assert [tuple(row) for row in rows] == [("closed", "superseded"), ("active", None)]


async def test_while_a_consent_runs_its_renewal_may_be_asked_and_a_no_leaves_it_running(desk: Desk):
    peter = await desk.known()
    running = (await desk.door.grant(peter)).json()["consent"]
    made = await desk.asked(peter.borger_id)
    assert (await desk.decline(peter, made)).status_code == 200
    rows = await desk.door.rows("SELECT status FROM consent WHERE consent_id = $1", UUID(running["consent_id"]))
    assert [row["status"] for row in rows] == ["active"]
    assert await desk.state(made) == ("answered", "declined")


async def test_a_renewal_that_covers_the_same_is_no_break(desk: Desk):
    peter = await desk.known()
    await desk.door.grant(peter)
    before = await desk.door.rows("SELECT category, since_epoch FROM coverage ORDER BY 1")
    made = await desk.asked(peter.borger_id)
    answer = await desk.answer(peter, made, yes())
    assert answer.status_code == 200
    assert await desk.door.rows("SELECT category, since_epoch FROM coverage ORDER BY 1") == before
    assert [row["event"] for row in await desk.door.rows("SELECT event FROM receipt ORDER BY sequence")] == [
        "given",
        "renewed",
    ]


async def test_a_yes_to_less_than_before_waits_for_what_is_in_flight(desk: Desk, world: World):
    peter = await desk.known()
    await desk.door.grant(peter)
    other = await desk.door.grant(peter, holder_unit="BIF-KANTEN")
    assert other.status_code == 201
    holder = await world.holder()
    told = Revealed(borger_id=peter.borger_id, category="FREMMOEDE", epoch=await world.epoch(peter.borger_id))
    open_item: PermitItem = an_item(told)
    assert await world.acquire(holder, open_item)
    made = await desk.asked(peter.borger_id, item("BIF-KANTEN"), item(categories=("BESKAEFTIGELSESFORLOEB",)))
    state = desk.door.app.state
    state.settings = state.settings.model_copy(update={"drain_wait_ms": 50})
    answer = await desk.answer(peter, made, yes(), yes("BESKAEFTIGELSESFORLOEB"))
    assert answer.status_code == 202
    assert [kind["event"] for kind in await desk.door.rows("SELECT event FROM receipt ORDER BY sequence")][2:] == [
        "renewed",
        "narrowed",
    ]
    await world.settle(holder, open_item.permit_id)
    where = answer.headers["Location"]
    assert (await desk.door.call("GET", where, peter.token)).status_code == 200


# Children and those who act for them


async def family(desk: Desk, age: int = 8) -> tuple[Citizen, Citizen, Citizen]:
    child = await desk.door.citizen(number(date(datetime.now(UTC).year - age, 1, 1)))
    mother, father = await desk.door.citizen(), await desk.door.citizen()
    custody = {"custody_holders": (mother.borger_id, father.borger_id)}
    await desk.door.happens("cpr.foraeldremyndighed_aendret", child.borger_id, **custody)
    await desk.case(child.borger_id, "SOF-BCH")
    return mother, father, child


async def asked_of_a_family(desk: Desk, child: Citizen) -> dict:
    desk.token = CHILD["token"]
    return await desk.asked(child.borger_id, CHILD_ITEM, purpose=CHILD["purpose"])


async def test_both_custody_holders_answer_the_one_request(desk: Desk):
    mother, father, child = await family(desk)
    made = await asked_of_a_family(desk, child)
    accepted = yes("BARN_SAG", "SAGSEKSISTENS", **CHILD_TEXT)
    first = await desk.answer(mother, made, accepted, about=child.borger_id)
    assert (first.json()["state"], first.json()["items"][0]["consent"]["status"]) == ("requested", "pending_signature")
    assert await desk.state(made) == ("requested", None)
    assert (await desk.answer(mother, made, accepted, about=child.borger_id)).status_code == 409
    second = await desk.answer(father, made, accepted, about=child.borger_id)
    assert (second.json()["reply"], second.json()["items"][0]["consent"]["status"]) == ("given", "active")
    assert str(mother.borger_id) not in second.text
    assert len(await desk.door.rows("SELECT 1 FROM consent")) == 1


async def test_the_second_holders_yes_to_less_asks_the_first_one_again(desk: Desk):
    mother, father, child = await family(desk)
    made = await asked_of_a_family(desk, child)
    await desk.answer(mother, made, yes("BARN_SAG", "SAGSEKSISTENS", **CHILD_TEXT), about=child.borger_id)
    less = yes("BARN_SAG", **CHILD_TEXT)
    await desk.answer(father, made, less, about=child.borger_id)
    assert await desk.state(made) == ("requested", None)
    answer = await desk.answer(mother, made, less, about=child.borger_id)
    assert (answer.json()["reply"], await desk.state(made)) == ("given_in_part", ("answered", "given_in_part"))


@pytest.mark.parametrize("whole", [True, False])
async def test_any_of_the_givers_may_say_no_to_what_waits_for_a_second_signature(desk: Desk, whole: bool):
    mother, father, child = await family(desk)
    made = await asked_of_a_family(desk, child)
    accepted = yes("BARN_SAG", "SAGSEKSISTENS", **CHILD_TEXT)
    consent = (await desk.answer(mother, made, accepted, about=child.borger_id)).json()["items"][0]["consent"]
    if whole:
        answer = await desk.decline(father, made, about=child.borger_id)
    else:
        path = f"/v1/citizens/{child.borger_id}/consents/{consent['consent_id']}:decline"
        answer = await desk.door.call("POST", path, father.token)
        again = await desk.door.call("POST", path, mother.token)
        assert (again.status_code, again.json()["receipt"]) == (200, None)
    assert answer.status_code == 200, answer.text
    assert await desk.state(made) == ("answered", "declined")
    assert (await desk.ask(child.borger_id, CHILD_ITEM, purpose=CHILD["purpose"])).status_code == 409


async def test_a_grant_that_waits_for_a_signature_is_declined_without_any_request(desk: Desk):
    mother, father, child = await family(desk)
    wish = {"purpose": "FAMILIEINDSATS", "holder_unit": "SOF-BCH", "recipient_unit": HOLDER, "categories": ["BARN_SAG"]}
    granted = (await desk.door.grant(mother, child.borger_id, **wish, **CHILD_TEXT)).json()["consent"]
    path = f"/v1/citizens/{child.borger_id}/consents/{granted['consent_id']}:decline"
    assert (await desk.door.call("POST", path, child.token)).status_code == 403  # too young to be asked
    assert (await desk.door.call("POST", path, (await desk.known()).token)).status_code == 404
    declined = await desk.door.call("POST", path, father.token)
    assert (declined.json()["consent"]["status"], bool(declined.json()["receipt"])) == ("declined", True)
    nothing = f"/v1/citizens/{child.borger_id}/consents/{uuid4()}:decline"
    assert (await desk.door.call("POST", nothing, father.token)).status_code == 404


async def test_a_child_of_an_age_to_be_involved_hears_of_a_parents_no(desk: Desk):
    mother, _, child = await family(desk, age=12)
    made = await asked_of_a_family(desk, child)
    await desk.decline(mother, made, about=child.borger_id)
    told = await desk.door.rows("SELECT kind FROM notice WHERE borger_id = $1", child.borger_id)
    assert [row["kind"] for row in told].count("decided_for_you") == 1


async def test_a_young_person_answers_alone_what_is_not_special_and_a_parent_does_not(desk: Desk):
    mother, _, young = await family(desk, age=16)
    desk.token = employee()
    await desk.case(young.borger_id, RECIPIENT)
    made = await desk.asked(young.borger_id)
    assert (await desk.answer(mother, made, yes(), about=young.borger_id)).status_code == 403
    assert (await desk.decline(mother, made, about=young.borger_id)).status_code == 403
    assert (await desk.answer(young, made, yes())).json()["reply"] == "given"


async def test_a_signature_that_never_comes_lapses_with_the_request(desk: Desk, days: Passes):
    mother, father, child = await family(desk)
    made = await asked_of_a_family(desk, child)
    accepted = yes("BARN_SAG", "SAGSEKSISTENS", **CHILD_TEXT)
    await desk.answer(mother, made, accepted, about=child.borger_id)
    await days(30.1)
    assert await desk.state(made) == ("lapsed", None)
    wish = {"purpose": "FAMILIEINDSATS", "holder_unit": "SOF-BCH", "recipient_unit": HOLDER}
    late = await desk.door.grant(
        father, child.borger_id, **wish, categories=["BARN_SAG", "SAGSEKSISTENS"], **CHILD_TEXT
    )
    assert late.json()["consent"]["status"] == "pending_signature"  # of its own accord, and alone
    assert await desk.state(made) == ("lapsed", None)


async def test_after_a_change_of_custody_those_are_asked_who_hold_it_now(desk: Desk):
    mother, father, child = await family(desk)
    made = await asked_of_a_family(desk, child)
    custody = {"custody_holders": (mother.borger_id,)}
    await desk.door.happens("cpr.foraeldremyndighed_aendret", child.borger_id, **custody)
    assert (await desk.decline(father, made, about=child.borger_id)).status_code == 404
    accepted = yes("BARN_SAG", "SAGSEKSISTENS", **CHILD_TEXT)
    assert (await desk.answer(mother, made, accepted, about=child.borger_id)).json()["reply"] == "given"


async def test_a_representative_sees_and_answers_what_the_authority_is_about(desk: Desk):
    peter, sister = await desk.known(), await desk.door.citizen()
    mine = await desk.asked(peter.borger_id)
    other = await desk.asked(peter.borger_id, item(categories=("SAGSEKSISTENS",)), purpose="KONTAKT")
    await authorised(desk.door, peter, sister, purposes=["KOORDINERING"])
    assert [one["request_id"] for one in await desk.waiting(sister, peter.borger_id)] == [mine["request_id"]]
    assert (await desk.decline(sister, other, about=peter.borger_id)).status_code == 404
    answer = await desk.answer(sister, mine, yes(), about=peter.borger_id)
    assert answer.json()["items"][0]["consent"]["declarations"][0]["role"] == "attorney"
    assert (await desk.state(mine), await desk.state(other)) == (("answered", "given"), ("requested", None))
