"""Golden files: what is asked and answered to the letter, and what the page about asking quotes of it.

A file is rewritten by hand, after thought: an answer that changes breaks whoever asks.
"""

import json
import re
from typing import Any
from uuid import UUID

import pytest

from tests.consent.world.access_door import GATEWAY
from tests.consent.world.door import Door
from tests.consent.world.fence_world import World
from tests.tree import ROOT

GOLDEN = ROOT / "tests" / "consent" / "golden" / "access"
PAGE = ROOT / "docs" / "asking.md"
PETER = UUID("7d0c2f6e-3b8a-4c19-9f52-6a1e8b4d2c30")
CHILD = UUID("7d0c2f6e-3b8a-4c19-9f52-6a1e8b4d2c31")
FAMILY = {"holder_unit": "SOF-BCH", "recipient_unit": "BIF-JOBINDSATS", "purpose": "FAMILIEINDSATS"}


def _golden() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GOLDEN.glob("*.json"))}


async def _people(world: World) -> None:
    """Peter and his child, by the ids that the files name; two units may be told about his attendance."""
    made = {PETER: await world.citizen(), CHILD: await world.citizen(age=8)}
    for known, drawn in made.items():
        await world.execute("UPDATE citizen SET borger_id = $1 WHERE borger_id = $2", known, drawn)
    await world.execute("INSERT INTO custody VALUES ($1, $2, '2020-01-01Z', NULL)", CHILD, PETER)
    await world.grant(PETER)
    await world.grant(PETER, recipient_unit="SOF-HJEMLOESE", categories={"FREMMOEDE"})
    await world.grant(PETER, purpose="FAMILIEINDSATS", categories={"FREMMOEDE"})
    await world.grant(PETER, categories={"SAGSEKSISTENS"}, **FAMILY)
    await world.grant(CHILD, categories={"BARN_SAG"}, givers=(PETER,), **FAMILY)


async def test_every_golden_request_has_its_golden_answer(door: Door, world: World) -> None:
    """A page token is sealed with an installation's own key: the quoted one stands for the one that is given."""
    await _people(world)
    given: dict[str, str] = {}
    for name, golden in _golden().items():
        method = "GET" if golden["request"] is None else "POST"
        options = {} if golden["request"] is None else {"json": _with_token(golden["request"], given)}
        answer = await door.call(method, golden["path"], GATEWAY, **options)
        document = answer.json()
        quoted = golden["response"].get("page", {}).get("next_token")
        if quoted and document["page"]["next_token"]:
            given[quoted], document["page"]["next_token"] = document["page"]["next_token"], quoted
        assert (answer.status_code, document) == (golden["status"], golden["response"]), name


def _with_token(request: dict[str, Any], given: dict[str, str]) -> dict[str, Any]:
    page = request.get("page", {})
    return {**request, "page": {**page, "token": given[page["token"]]}} if page.get("token") else request


def test_what_the_page_quotes_is_a_golden_request_or_answer() -> None:
    quoted = [
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ]
    known = [part for golden in _golden().values() for part in (golden["request"], golden["response"])]
    assert len(quoted) >= 10
    assert not [block for block in quoted if block not in known]


@pytest.mark.parametrize("name", sorted(_golden()))
def test_a_golden_answer_says_nothing_that_the_asker_did_not_ask(name: str) -> None:
    """No reason, no consent, no date, no name: besides errors, an answer's words are those of the question."""
    golden = _golden()[name]
    if golden["status"] == 200 and golden["request"] is not None:
        told = json.dumps(golden["response"])
        assert not re.search(r"consent|basis|withdraw|refus|unknown|valid|20[0-9]{2}-", told)
