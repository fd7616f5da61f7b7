"""No field of advis's HTTP operations takes what does not have its form; the refusal names the field."""

from uuid import uuid4

from tests.advis.world.serving import Advis, token
from tests.doors.fields import Caller, taken


async def test_no_field_takes_what_does_not_have_its_form(advis: Advis) -> None:
    def bearer(role: str, _path: str) -> str | None:
        return token("bif101", "BIF-KANTEN", (role,)) if role else None

    count, wrong = await taken(Caller("advis", advis.http, bearer, {"notification_id": str(uuid4())}))
    assert count > 40
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong)
