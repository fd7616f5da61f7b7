"""Who reads an inbox is named in permits and in the record: one form, or the token is refused."""

import pytest

from tests import hostile
from tests.advis.world.examples import CASEWORKER, RECIPIENT
from tests.advis.world.reading import audit_entries, rows

ROLE = ("caseworker",)


@pytest.mark.parametrize(
    ("subject", "unit"),
    [
        *((bad, RECIPIENT) for bad in (f"{CASEWORKER}\n", "a" * 256, f"u{hostile.NUMBER}", f"{CASEWORKER}\u200b")),
        *((CASEWORKER, bad) for bad in (f"{RECIPIENT}\n", f"\n{RECIPIENT}", "A" * 65, "\u202eBIF")),
    ],
    ids=ascii,
)
async def test_a_caller_without_a_form_is_not_let_in_and_leaves_no_entry(advis, subject: str, unit: str):
    for path in ("/v1/inbox", f"/v1/inbox/{'0' * 8}-0000-4000-8000-000000000000"):
        assert (await advis.get(path, subject, unit, ROLE)).status_code == 401
    assert await rows(advis.resources.database, "SELECT 1 FROM outbox") == []


async def test_the_longest_subject_reads_an_inbox_and_is_on_the_record_whole(advis):
    assert (await advis.get("/v1/inbox", "a" * 255, RECIPIENT, ROLE)).status_code == 200
    (entry,) = await audit_entries(advis.resources.database, "inbox.listed")
    assert entry["actor"] == "a" * 255


async def test_an_address_that_holds_a_number_is_refused_before_anything_is_recorded(advis):
    who = (CASEWORKER, RECIPIENT, ROLE)
    assert (await advis.get(f"/v1/inbox/{hostile.NUMBER}", *who)).status_code == 404
    assert (await advis.get(f"/v1/inbox?case_reference=sag-{hostile.NUMBER}", *who)).status_code == 422
    assert await rows(advis.resources.database, "SELECT 1 FROM outbox") == []
