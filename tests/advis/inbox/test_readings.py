"""Every look-up is on the record; those that find nothing and are repeated share an entry that counts them."""

import asyncio
from datetime import timedelta

from services.advis.inbox.worker import tell_ended
from tests.advis.world.reading import audit_entries

ME = ("bif101", "BIF-KANTEN")
NOW = timedelta(seconds=-60)  # every window has ended


async def look(advis, *, times: int, who=ME, query: str = "") -> None:
    answers = await asyncio.gather(*(advis.get(f"/v1/inbox{query}", *who) for _ in range(times)))
    assert {answer.status_code for answer in answers} == {200}


async def counted(advis) -> list[tuple[str, dict[str, str]]]:
    return [
        (entry["actor"], entry["objects"]) for entry in await audit_entries(advis.resources.database, "inbox.listed")
    ]


async def test_repeated_look_ups_that_find_nothing_are_one_entry_and_then_their_number(advis):
    await look(advis, times=12)
    await look(advis, times=3, query="?state=handled")
    await look(advis, times=1, who=("bif202", "BIF-KANTEN"))
    first = await counted(advis)
    assert sorted((actor, objects["state"]) for actor, objects in first) == [
        ("bif101", "handled"),
        ("bif101", "open"),
        ("bif202", "open"),
    ]
    await tell_ended(advis.resources.database, NOW)
    told = (await counted(advis))[3:]
    assert sorted((objects["state"], objects["repeated"]) for _, objects in told) == [("handled", "2"), ("open", "11")]
    assert all(objects["first_at"] <= objects["last_at"] for _, objects in told)
    await look(advis, times=1)
    assert len(await counted(advis)) == 6  # a new window: told at once


async def test_a_look_up_that_shows_something_has_an_entry_of_its_own(advis, intake):
    await intake.advis()
    await look(advis, times=3)
    await tell_ended(advis.resources.database, NOW)
    assert len(await counted(advis)) == 3


async def test_a_window_that_has_not_ended_is_not_told(advis):
    await look(advis, times=2)
    await tell_ended(advis.resources.database, timedelta(minutes=1))
    assert len(await counted(advis)) == 1
