"""The three searches: their answers, their pages, and what is not an answer but a 400."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.consent.world.access_door import PATHS, action, ask, question, resource, search, subject
from tests.consent.world.door import Door
from tests.consent.world.fence_world import PURPOSE, World

_, _, SUBJECT, RESOURCE, ACTION = PATHS


@pytest.fixture
async def peter(world: World) -> UUID:
    """Two purposes, two recipients, three categories between them."""
    borger_id = await world.citizen()
    await world.grant(borger_id)
    await world.grant(borger_id, recipient_unit="SOF-HJEMLOESE", categories={"FREMMOEDE"})
    await world.grant(borger_id, purpose="FAMILIEINDSATS", categories={"FORSOERGELSE", "FREMMOEDE"})
    return borger_id


def who(about: UUID | str, **changes: Any) -> dict[str, Any]:
    return question(about, subject={"type": "unit"}, **changes)


def what(about: UUID | str, **narrowed: str) -> dict[str, Any]:
    about_whom = {"type": "information", "properties": {"borger_id": str(about), **narrowed}}
    return {"subject": subject(), "action": action(), "resource": about_whom}


def why(about: UUID | str, **changes: Any) -> dict[str, Any]:
    return question(about, action=None, **changes)


async def test_who_may_receive_this(door: Door, peter) -> None:
    assert await search(door, "subject", who(peter)) == [subject("SOF-BCV"), subject("SOF-HJEMLOESE")]
    assert await search(door, "subject", who(peter, resource=resource(peter, "BESKAEFTIGELSESFORLOEB"))) == [subject()]
    assert await search(door, "subject", who(uuid4())) == []


async def test_what_may_this_unit_receive_about_this_citizen_for_this_purpose(door: Door, peter) -> None:
    found = await search(door, "resource", what(peter))
    assert found == [
        {
            "type": "information",
            "id": f"{peter}/BIF-JOBINDSATS/{category}",
            "properties": {"borger_id": str(peter), "holder_unit": "BIF-JOBINDSATS", "category": category},
        }
        for category in ("BESKAEFTIGELSESFORLOEB", "FREMMOEDE")
    ]
    assert await search(door, "resource", what(peter, category="FREMMOEDE")) == found[1:]
    assert await search(door, "resource", what(peter, holder_unit="BIF-JOBINDSATS")) == found
    assert await search(door, "resource", what(peter, holder_unit="BIF-KANTEN")) == []
    assert await search(door, "resource", what(uuid4())) == []


async def test_for_which_purposes_may_this_unit_receive_this(door: Door, peter) -> None:
    assert await search(door, "action", why(peter)) == [action("FAMILIEINDSATS"), action(PURPOSE)]
    assert await search(door, "action", why(peter, subject=subject("SOF-HJEMLOESE"))) == [action(PURPOSE)]
    assert await search(door, "action", why(uuid4())) == []


async def test_an_id_of_what_is_sought_and_a_context_are_ignored(door: Door, peter) -> None:
    ignored = {"context": {"time": "2025-06-27T18:03-07:00"}, "futureField": 1}
    plain = await search(door, "subject", who(peter))
    assert await search(door, "subject", {**who(peter), "subject": subject("SOF-PSYKIATRI"), **ignored}) == plain
    plain = await search(door, "resource", what(peter))
    body = what(peter)
    body["resource"]["id"] = f"{uuid4()}/BIF-KANTEN/PLANER"
    assert await search(door, "resource", {**body, **ignored}) == plain
    plain = await search(door, "action", why(peter))
    assert await search(door, "action", {**why(peter), "action": action("KONTAKT"), **ignored}) == plain


async def test_no_search_enumerates_citizens(door: Door, peter) -> None:
    for properties in ({}, {"borger_id": "*"}, {"borger_id": ""}, {"borger_id": [str(peter)]}, {"borger_id": None}):
        body = what(peter)
        body["resource"]["properties"] = properties
        assert await search(door, "resource", body) == []
    del body["resource"]["properties"]
    assert await search(door, "resource", body) == []


async def test_an_unknown_kind_has_no_results_and_is_no_error(door: Door, peter) -> None:
    assert await search(door, "subject", {**who(peter), "subject": {"type": "spaceship"}}) == []
    assert await search(door, "resource", {**what(peter), "subject": {"type": "user", "id": "SOF-BCV"}}) == []
    assert await search(door, "resource", {**what(peter), "resource": {"type": "spaceship"}}) == []
    assert await search(door, "action", why(peter, subject={"type": "user", "id": "nonexistent-user"})) == []
    assert await search(door, "subject", who(peter, action={"name": "read"})) == []


async def test_what_a_search_is_given_must_be_complete(door: Door, peter) -> None:
    unsaid = {"type": "information"}
    broken = [
        *((SUBJECT, who(peter, **{name: None})) for name in ("action", "resource")),
        (SUBJECT, {"action": action(), "resource": resource(peter)}),
        (SUBJECT, who(peter, resource=unsaid)),
        (SUBJECT, {**who(peter), "subject": {"id": "SOF-BCV"}}),
        *((RESOURCE, {**what(peter), name: 1}) for name in ("subject", "action", "resource")),
        (RESOURCE, {**what(peter), "subject": {"type": "unit"}}),
        (ACTION, {"subject": subject()}),
        (ACTION, why(peter, subject={"type": "unit"})),
        (ACTION, why(peter, resource=unsaid)),
        *((path, {**question(peter), "context": []}) for path in (SUBJECT, RESOURCE, ACTION)),
    ]
    for path, body in broken:
        assert (await ask(door, body, path=path)).status_code == 400, body


async def test_without_a_page_everything_comes_and_no_page_is_spoken_of(door: Door, peter) -> None:
    assert set((await ask(door, who(peter), path=SUBJECT)).json()) == {"results"}


@pytest.mark.parametrize(("path", "sought"), [(SUBJECT, who), (RESOURCE, what), (ACTION, why)])
async def test_pages_end_to_end_give_every_result_once(door: Door, peter, path: str, sought) -> None:
    whole = (await ask(door, sought(peter), path=path)).json()["results"]
    assert len(whole) == 2
    for repeated in ({}, {"limit": 1}):  # the limit may be left out with a token, or be the same
        body = {**sought(peter), "page": {"limit": 1}}
        first = (await ask(door, body, path=path)).json()
        assert list(first) == ["page", "results"]
        assert (first["page"]["count"], first["page"]["total"]) == (1, 2)
        body["page"] = {"token": first["page"]["next_token"], **repeated}
        second = (await ask(door, body, path=path)).json()
        assert second["page"] == {"next_token": "", "count": 1, "total": 2}
        assert first["results"] + second["results"] == whole
    exact = (await ask(door, {**sought(peter), "page": {"limit": 2}}, path=path)).json()
    assert exact == {"page": {"next_token": "", "count": 2, "total": 2}, "results": whole}


async def test_a_limit_of_nothing_gives_nothing_and_says_that_there_is_more(door: Door, peter) -> None:
    answer = (await ask(door, {**who(peter), "page": {"limit": 0}}, path=SUBJECT)).json()
    assert answer["results"] == []
    assert answer["page"]["next_token"]


async def test_a_token_is_for_the_search_that_gave_it(door: Door, peter) -> None:
    answer = (await ask(door, {**who(peter), "page": {"limit": 1}}, path=SUBJECT)).json()
    token = {"page": {"token": answer["page"]["next_token"]}}
    assert (await ask(door, {**who(peter), **token}, path=SUBJECT)).status_code == 200
    others = [
        (SUBJECT, {**who(uuid4()), **token}),
        (SUBJECT, {**who(peter, action=action("FAELLES_PLAN")), **token}),
        (SUBJECT, {**who(peter), "context": {"a": 1}, **token}),
        (SUBJECT, {**who(peter), "page": {**token["page"], "limit": 2}}),
        (ACTION, {**why(peter), **token}),
    ]
    for path, body in others:
        assert (await ask(door, body, path=path)).status_code == 400


async def test_a_page_that_is_none_is_a_400(door: Door, peter) -> None:
    for page in ([], "2", {"limit": -1}, {"limit": "2"}, {"limit": True}, {"limit": 1.5}, {"token": 5}, {"token": "x"}):
        answer = await ask(door, {**who(peter), "page": page}, path=SUBJECT)
        assert answer.status_code == 400, page
        assert answer.json()["errors"][0]["field"].startswith("page")


async def test_what_can_be_read_but_not_written_is_a_400_everywhere(door: Door, peter) -> None:
    """F16: a page's token is over the whole question, so what could not be written again was a 500."""
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    bodies = {path: question(peter) for path in PATHS} | {
        SUBJECT: who(peter),
        ACTION: why(peter),
        RESOURCE: what(peter),
    }
    for path, body in bodies.items():
        nested = ({"context": deep}, {"context": {"a": "b\x00"}}, {"resource": body["resource"] | {"properties": deep}})
        for change in nested:
            answer = await ask(door, body | change, path=path)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "body"), path
