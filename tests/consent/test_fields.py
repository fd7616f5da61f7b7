"""No field of consent's HTTP operations takes what does not have its form; the refusal names the field."""

from uuid import uuid4

import pytest

from tests.consent.world import issuer
from tests.consent.world.door import Door
from tests.consent.world.fence_door import holder
from tests.doors.fields import Caller, taken

IDS = (
    *("consent_id", "withdrawal_id", "refusal_id", "restriction_id", "basis_id", "request_id", "holder_id"),
    *("receipt_id", "notice_id", "authority_id", "attestation_id"),
)


@pytest.mark.timeout(300)  # thousands of requests
async def test_no_field_takes_what_does_not_have_its_form(door: Door) -> None:
    peter = await door.citizen()
    _, credential = await holder(door)

    def bearer(role: str, path: str) -> str | None:
        if role == "citizen":
            return peter.token
        if not role:
            return credential if "/permits:" in path else None
        return issuer.token(role, subject="sof101", unit="SOF-BCV", acr="Substantial")

    named = {name: str(uuid4()) for name in IDS} | {"borger_id": str(peter.borger_id), "slot": "up/advis"}
    entry = {"kind": "units", "code": "SOF-BCV", "version": "1", "if-match": "*"}
    count, wrong = await taken(Caller("consent", door.client, bearer, named | entry))
    assert count > 1_500
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong)
