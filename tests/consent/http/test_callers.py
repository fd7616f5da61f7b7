"""Who asks consent is named in its record: the longest name that is let in is written whole, others are refused."""

import pytest

from tests import hostile
from tests.consent.world import issuer
from tests.consent.world.access_door import ask, question
from tests.consent.world.door import Door
from tests.consent.world.people import adult

UNIT = "BIF-JOBINDSATS"


@pytest.mark.parametrize("client_id", ["a" * 81, "a" * 255])
async def test_a_long_client_id_may_ask_and_is_on_the_record(door: Door, client_id: str) -> None:
    source = issuer.token("source_system", client_id=client_id, unit=UNIT)
    assert (await door.call("POST", "/v1/citizens:resolve", source, json={"cpr": adult()})).status_code == 200
    gateway = issuer.token("gateway", client_id=client_id)
    asked = question("00000000-0000-4000-8000-000000000001")
    assert (await ask(door, asked, gateway)).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": "a" * 256},
        {"client_id": f"fasit{hostile.NUMBER}"},
        {"client_id": "fasit\n"},
        {"subject": "x\x00"},
        {"unit": f"{UNIT}\n"},
        {"host_unit": "SOF\n"},
    ],
    ids=ascii,
)
async def test_a_caller_without_a_form_is_not_let_in(door: Door, claims: dict[str, str]) -> None:
    source = issuer.token("source_system", **{"client_id": "fasit", "unit": UNIT, **claims})
    assert (await door.call("POST", "/v1/citizens:resolve", source, json={"cpr": adult()})).status_code == 401
