"""Who may ask what, what nobody learns by asking, and what asking leaves on the record."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.consent.world import issuer
from tests.consent.world.access_door import (
    ADVIS,
    CASEWORKER,
    GATEWAY,
    HOLDER,
    PATHS,
    RECEIVER,
    STRANGER,
    action,
    ask,
    decision,
    decisions,
    question,
    resource,
    search,
    subject,
)
from tests.consent.world.door import Door
from tests.consent.world.fence_world import CATEGORY, HOLDER_UNIT, PURPOSE, RECIPIENT, World

EVALUATION, EVALUATIONS, *SEARCHES = PATHS


@pytest.fixture
async def peter(world: World) -> UUID:
    borger_id = await world.citizen()
    await world.grant(borger_id)
    return borger_id


def everything(about: UUID | str) -> dict[str, Any]:
    """One body for every address: a complete question, and what a search needs to be about somebody."""
    about_whom = {"properties": {"borger_id": str(about)}}
    return question(about, resource={**resource(about), **about_whom}, page={"limit": 10})


async def test_those_who_may_ask_are_answered(door: Door, peter) -> None:
    for token in (GATEWAY, HOLDER, RECEIVER, CASEWORKER):
        assert await decision(door, question(peter), token)


async def test_nobody_else_asks(door: Door, peter) -> None:
    citizen = issuer.token("citizen", subject="x", acr="Substantial")
    for path in PATHS:
        for token in (ADVIS, citizen, issuer.token("dpo"), issuer.token("supervisor"), issuer.token("operator")):
            assert (await ask(door, everything(peter), token, path=path)).status_code == 403
        for token in (None, "not-a-token"):
            assert (await ask(door, everything(peter), token, path=path)).status_code == 401
        for role in ("caseworker", "recipient_system", "source_system"):
            answer = await ask(door, everything(peter), issuer.token(role), path=path)
            assert answer.status_code == 403, f"{role} of no unit"


async def test_a_unit_learns_only_what_it_receives_or_holds(door: Door, peter) -> None:
    """To a third unit the yes between two others is the same no as everything else, in a batch and in a search too."""
    assert not await decision(door, question(peter), STRANGER)
    body = {"subject": subject(), "action": action(), "evaluations": [{"resource": resource(peter)}] * 2}
    assert await decisions(door, body, STRANGER) == [False, False]
    for path in SEARCHES:
        seen, unseen = [await ask(door, everything(peter), token, path=path) for token in (GATEWAY, STRANGER)]
        nobody = await ask(door, everything(uuid4()), GATEWAY, path=path)
        assert seen.json()["results"]
        assert unseen.content == nobody.content


async def test_a_unit_without_a_part_sees_others_results_left_out(door: Door, world: World, peter) -> None:
    """The holder may tell two units; each of them is told about itself, the holder about both."""
    await world.grant(peter, recipient_unit="SOF-HJEMLOESE")
    who = {"subject": {"type": "unit"}, "action": action(), "resource": resource(peter)}
    both = [subject("SOF-BCV"), subject("SOF-HJEMLOESE")]
    assert await search(door, "subject", who, GATEWAY) == both
    assert await search(door, "subject", who, HOLDER) == both
    assert await search(door, "subject", who, RECEIVER) == both[:1]
    assert await search(door, "subject", who, STRANGER) == []


@pytest.mark.parametrize("path", PATHS)
async def test_no_answer_tells_whether_somebody_exists(door: Door, world: World, path: str) -> None:
    """Unknown, known without a consent, dead, with a closed case, refused: one answer, to the byte and the header."""
    without, dead, closed, refused, other = [await world.citizen() for _ in range(5)]
    await world.execute("UPDATE citizen SET died_on = '2026-01-01' WHERE borger_id = $1", dead)
    case = "INSERT INTO case_fact VALUES ($1, $2, 'SOF-26-1', '2025-01-01Z', '2026-01-01Z')"
    await world.execute(case, closed, RECIPIENT)
    for borger_id in (closed, refused):
        await world.grant(borger_id)
    await world.refuse(refused)
    await world.grant(other, recipient_unit="SOF-HJEMLOESE", purpose="FAELLES_PLAN")
    answers = []
    correlation = str(uuid4())
    for about in (uuid4(), without, dead, closed, refused, "not-a-person"):
        body = {**everything(about), "evaluations": [{}, {"resource": resource(about, "PLANER")}]}
        answer = await ask(door, body, path=path, headers={"X-Correlation-ID": correlation})
        answers.append((answer.status_code, sorted(answer.headers.items()), answer.content))
    assert len({str(answer) for answer in answers}) == 1
    assert answers[0][0] == 200


async def test_one_entry_per_person_and_call_with_codes_only(door: Door, world: World, peter) -> None:
    other, nobody = await world.citizen(), uuid4()
    items = [
        *({"resource": resource(about, category)} for about in (peter, other) for category in (CATEGORY, "PLANER")),
        {"resource": resource(nobody)},
        {"resource": {"type": "information", "id": "Peter Hansen, diabetes"}},
        {"subject": subject("Jens Jensen"), "resource": resource(nobody, "free text", "more text")},
    ]
    await ask(door, {"subject": subject(), "action": action(), "evaluations": items}, path=EVALUATIONS)
    told = [entry for kind, entry in await door.told("audit.entries") if kind == "access.evaluated"]
    assert Counter(entry.get("subject") for entry in told) == {str(peter): 1, str(other): 1, str(nobody): 1, None: 1}
    by_person = {entry.get("subject"): entry for entry in told}
    mine = by_person[str(peter)]
    assert mine["objects"] == {
        "asked": "2",
        "permitted": "1",
        "category": f"{CATEGORY},PLANER",
        "holder_unit": HOLDER_UNIT,
        "recipient_unit": RECIPIENT,
    }
    assert (mine["outcome"], mine["action"], mine["purposes"]) == ("success", "R", [PURPOSE])
    assert (mine["actor"], mine["actor_role"], mine.get("unit")) == ("gateway", "gateway", None)
    assert by_person[str(other)]["outcome"] == "refused"
    assert by_person[str(other)]["reason"] == "no_consent"
    unknown = by_person[str(nobody)]
    assert (unknown.get("reason"), unknown["objects"]["asked"]) == (None, "2")
    assert by_person[None]["reason"] == "not_a_question"
    assert not any(word in str(told) for word in ("Hansen", "Jensen", "text", "diabetes"))


async def test_a_no_is_on_the_record_as_a_yes_is_and_says_whose_question_it_was(door: Door, peter) -> None:
    await decision(door, question(peter), CASEWORKER)
    await decision(door, question(peter), STRANGER)
    first, second = [entry for kind, entry in await door.told("audit.entries") if kind == "access.evaluated"]
    assert (first["actor"], first["unit"], first["outcome"]) == ("sof101", RECIPIENT, "success")
    assert (second["actor"], second["unit"], second["outcome"]) == ("bif301", "BIF-YDELSE", "refused")
    assert second["reason"] == "not_the_askers_unit"


async def test_what_was_not_evaluated_is_not_on_the_record(door: Door, world: World, peter) -> None:
    spared = await world.citizen()
    items = [{"resource": resource(peter, "PLANER")}, {"resource": resource(spared)}]
    options = {"evaluations_semantic": "deny_on_first_deny"}
    body = {"subject": subject(), "action": action(), "evaluations": items, "options": options}
    assert await decisions(door, body) == [False]
    told = [entry["subject"] for kind, entry in await door.told("audit.entries") if kind == "access.evaluated"]
    assert told == [str(peter)]


async def test_a_search_is_on_the_record_with_what_was_sought_and_found(door: Door, peter) -> None:
    for sought in ("subject", "resource", "action"):
        await search(door, sought, everything(peter))
        await search(door, sought, everything(uuid4()))
    told = [entry for kind, entry in await door.told("audit.entries") if kind == "access.searched"]
    assert [entry["objects"]["sought"] for entry in told] == [
        *("subject", "subject", "resource", "resource", "action", "action")
    ]
    mine, nobodys = told[:2]
    assert (mine["subject"], mine["outcome"], mine["objects"]["permitted"]) == (str(peter), "success", "1")
    assert (nobodys["outcome"], nobodys["objects"]["permitted"]) == ("refused", "0")
    assert nobodys["objects"]["category"] == CATEGORY


async def test_no_answer_leaves_without_its_entry(door: Door, world: World, peter) -> None:
    """The record cannot be written: there is no answer either."""
    await world.execute("REVOKE INSERT ON outbox FROM consent")
    for path in PATHS:
        answer = await ask(door, everything(peter), path=path)
        assert answer.status_code == 500
        assert "decision" not in answer.text
        assert "results" not in answer.text


async def test_asking_permits_nothing_and_changes_nothing(door: Door, world: World, peter) -> None:
    epoch = await world.epoch(peter)
    for path in PATHS:
        await ask(door, everything(peter), path=path)
    assert await world.epoch(peter) == epoch
    for table in ("permit", "permit_scope", "use_log"):
        assert await world.value(f"SELECT count(*) FROM {table}") == 0
