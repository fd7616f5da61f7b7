"""Need-to-know has three parts: role, level and case (R15). Above somebody's level an item is as if it never was."""

import dataclasses
from itertools import count
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.wire import permits
from services.advis.model.sensitivity import ORDINARY, Sensitivity, level_in
from services.advis.notifications.notification import Notification, Revealed
from services.advis.reference.reference import Endpoint
from services.consent.catalogue import entries
from tests.advis.world.examples import CASEWORKER, EPOCH, PURPOSE, RECIPIENT, case_opened, treatment_started
from tests.advis.world.reading import audit_entries, rows, states

ROLE = ("caseworker",)
ORDINARY_READER = (CASEWORKER, RECIPIENT)
CLEARED = (CASEWORKER, RECIPIENT, ROLE, (("sensitivity", "VIP_SAGER"),))
CONFIDENTIAL = (CASEWORKER, RECIPIENT, ROLE, (("sensitivity", "FORTROLIGE_PERSONOPLYSNINGER"),))
SYSTEM = ("kanten-system", RECIPIENT, ("recipient_system",))
VIP = "KRISECENTER"


def opened_for(citizen: UUID, *categories: str) -> permits.Opening:
    reveals = tuple(permits.Revealed(borger_id=citizen, category=one, epoch=EPOCH) for one in categories)
    return permits.Opening(recipient_unit=RECIPIENT, purpose=PURPOSE, subject=citizen, reveals=reveals)


CASES = count(1001)
ASKING = ("/v1/permits:preview", "/v1/permits:acquire")


async def told_of(intake, *categories: str) -> None:
    """A notification that reveals these categories, in a case of the caseworker's."""
    citizen = uuid4()
    happened = treatment_started(citizen)
    intake.consent.openings[happened.id] = [opened_for(citizen, *categories)]
    await intake.take(case_opened(citizen, f"BIF-26-{next(CASES)}"), happened)


async def ids(advis, *who) -> list[str]:
    answer = await advis.get("/v1/inbox", *who)
    assert answer.status_code == 200, answer.text
    return [item["notification_id"] for item in answer.json()["items"]]


@pytest.mark.parametrize("category", [VIP, "CATEGORY_THAT_NOBODY_DESCRIBED"])
async def test_above_the_level_an_item_is_not_there_and_colleagues_with_the_level_still_see_it(
    category, advis, intake, consent
):
    await told_of(intake, "RUSMIDDEL", category)
    assert await ids(advis, *ORDINARY_READER) == []
    assert await ids(advis, *SYSTEM) == []
    (hidden,) = await ids(advis, *CLEARED)
    for method, path in ((advis.get, f"/v1/inbox/{hidden}"), (advis.post, f"/v1/inbox/{hidden}:handle")):
        answer = await method(path, *ORDINARY_READER)
        never = await method(path.replace(hidden, str(uuid4())), *ORDINARY_READER)
        assert (answer.status_code, answer.content) == (404, never.content)
        assert {*answer.headers} == {*never.headers}
    assert await states(advis.resources.database) == ["unread"]  # nobody's reading took it away
    assert (await advis.post(f"/v1/inbox/{hidden}:handle", *CLEARED)).json()["state"] == "handled"
    asked = [call.items for call in consent.calls["/v1/permits:acquire"]]
    assert [len(items) for items in asked] == [0, 0, 1, 0, 0, 0, 0, 1]  # one call each, and what is hidden in none
    outcomes = [entry["outcome"] for entry in await audit_entries(advis.resources.database, "inbox.opened")]
    assert outcomes == ["refused", "refused"]


async def test_a_lower_level_than_the_ordinary_one_hides_what_is_sensitive(advis, intake):
    await told_of(intake, "RUSMIDDEL")
    assert len(await ids(advis, *ORDINARY_READER)) == 1
    assert len(await ids(advis, *SYSTEM)) == 1
    assert await ids(advis, *CONFIDENTIAL) == []
    for value in ("VIP", "", None, 4, ["VIP_SAGER"]):
        assert level_in({"sensitivity": value}) is Sensitivity.OPEN, value
    assert level_in({}) is ORDINARY


async def test_pages_are_those_of_a_world_without_the_items_above_the_level(advis, intake, consent):
    """Two worlds: the same five items, in one of them with five more between them that are above the level."""
    worlds = []
    for hidden in (False, True):
        async with advis.resources.database.write() as session:
            await session.exec_driver_sql("DELETE FROM notification")
        known: dict[str, int] = {}
        for number in range(5):
            await told_of(intake, "RUSMIDDEL")
            known |= dict.fromkeys(set(await ids(advis, *ORDINARY_READER)) - {*known}, number)
            if hidden:
                await told_of(intake, VIP)
        consent.calls.clear()
        worlds.append([page async for page in pages(advis, known)])
        worlds[-1].append([len(asked.items) for path in ASKING for asked in consent.calls[path]])
    assert worlds[0] == worlds[1]
    assert [shown for shown, *_ in worlds[1][:-1]] == [[4, 3], [2, 1], [0]]


async def pages(advis, known):
    """Which items each page of two shows, and everything else that its reader can count or compare."""
    cursor = ""
    while cursor is not None:
        answer = await advis.get(f"/v1/inbox?limit=2{cursor}", *ORDINARY_READER)
        body = answer.json()
        shape = [
            {**item, "notification_id": 0, "case_reference": 0, "occurred_at": 0, "arrived_at": 0}
            for item in body["items"]
        ]
        cursor = body["next"] and f"&cursor={body['next']}"
        length = len(answer.content) - sum(len(item["occurred_at"] + item["arrived_at"]) for item in body["items"])
        yield (
            [known[item["notification_id"]] for item in body["items"]],
            shape,
            length,
            [*answer.headers],
            cursor is None,
        )


@pytest.mark.parametrize(
    ("level", "client_id", "rings"),
    [
        (Sensitivity.RESTRICTED, "kanten-system", 1),
        (Sensitivity.RESTRICTED, None, 1),
        (Sensitivity.RESTRICTED, "other-system", 0),
        (ORDINARY, "kanten-system", 0),
    ],
)
async def test_a_units_system_is_told_up_to_the_level_of_its_endpoint(
    level, client_id, rings, advis, intake, database, reference
):
    endpoint = Endpoint(unit=RECIPIENT, url="http://b", secret_file="b", client_id=client_id, sensitivity=level)
    known = dataclasses.replace(reference, endpoints={RECIPIENT: endpoint})
    advis.resources = dataclasses.replace(advis.resources, reference=known)
    intake.handler._reference = known
    await told_of(intake, VIP)
    hung = await rows(database, "SELECT 1 FROM doorbell")
    assert len(hung) == (level is Sensitivity.RESTRICTED)
    assert known.level_of_system(RECIPIENT, "kanten-system") is (Sensitivity.RESTRICTED if rings else ORDINARY)


def test_another_system_of_the_unit_has_no_higher_level_than_the_endpoints(reference):
    def level(given: Sensitivity) -> Sensitivity:
        endpoint = Endpoint(unit=RECIPIENT, url="http://b", secret_file="b", client_id="its", sensitivity=given)
        known = dataclasses.replace(reference, endpoints={RECIPIENT: endpoint})
        return known.level_of_system(RECIPIENT, "other")

    assert [level(one) for one in Sensitivity] == [*list(Sensitivity)[:3], ORDINARY]


def test_a_level_includes_those_below_it_and_the_levels_are_the_catalogues(reference):
    assert [one.value for one in Sensitivity] == [one.value for one in entries.Sensitivity]
    seen = [reference.categories_up_to(level) for level in Sensitivity]
    assert seen[0] == {"TOLKEBEHOV"}
    assert seen[0] < seen[1] < seen[2]
    assert VIP not in seen[2]
    assert seen[3] is None


CODES = st.sampled_from(["RUSMIDDEL", VIP, "TOLKEBEHOV", "FREMMOEDE"])


@given(st.lists(CODES, min_size=1, max_size=3), st.none() | CODES, st.frozensets(CODES))
def test_nothing_of_a_notification_is_above_the_level_of_who_sees_it(revealed, category, told):
    notification = Notification(
        **dict.fromkeys(field.name for field in dataclasses.fields(Notification))
        | {"reveals": tuple(Revealed(UUID(int=1), one, 1) for one in revealed), "category": category}
    )
    assert notification.is_within(told) is ({*revealed, category} - {None} <= told)
    assert notification.is_within(None)
