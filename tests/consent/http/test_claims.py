"""A claim of a token that some code reads, whatever it holds, lets nobody in wrongly and never fails."""

from typing import Any

import pytest

from openapi.door_cells import claim_cells
from tests.consent.world import issuer
from tests.consent.world.door import Door
from tests.consent.world.people import adult

VALUES: tuple[Any, ...] = (
    *(True, 7, -1, 1.5, 2**63, [], {}, [[]], {"x": 1}, ["x", 7], ""),
    *("x" * 5_000, "a\x00b", "a\n", "\u202ex", "é", " "),
)
DOORS = (
    ("citizen", "/v1/me"),
    ("caseworker", "/v1/requests"),
    ("dpo", "/v1/notices"),
    ("administrator", "/v1/admin/catalogue/units"),
)
# Not in every token: what is of the wrong kind is as if it were not there, or gives the least.
HARMLESS = {"acr", "cpr", "host_unit", "sensitivity"}


@pytest.mark.parametrize("claim", [cell.field for cell in claim_cells()])
async def test_a_claim_of_any_shape_is_judged_and_never_a_fault(door: Door, claim: str) -> None:
    for role, path in DOORS:
        given = {"sub": "sof101", "cpr": adult(), "acr": "Substantial", "unit": "SOF-BCV"}
        for value in VALUES:
            token = issuer.token(role, **{**given, claim: value})
            status = (await door.call("GET", path, token)).status_code
            assert status in ({200, 401, 403} if claim in HARMLESS else {401, 403}), (claim, value, role)
