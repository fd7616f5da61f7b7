"""No field of audit's HTTP operations takes what does not have its form; the refusal names the field."""

from uuid import uuid4

from services.audit.settings import Settings
from tests.audit.world.doors import CONSENT, door, token
from tests.doors.fields import Caller, taken


async def test_no_field_takes_what_does_not_have_its_form(settings: Settings) -> None:
    def bearer(role: str, _path: str) -> str | None:
        if role == "citizen":
            return token("citizen", subject=str(uuid4()), issuer=CONSENT, unit=None)
        return token(role) if role else None

    async with door(settings) as client:
        count, wrong = await taken(Caller("audit", client, bearer, {"index": "0", "subject": str(uuid4())}))
    assert count > 80
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong)
