"""A child's consent (R11): every custody holder's own declaration, nobody else's, and nobody sees whose."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from tests.consent.world.door import Citizen, Door
from tests.consent.world.people import number

WISH = {
    "purpose": "FAMILIEINDSATS",
    "holder_unit": "SOF-BCH",
    "recipient_unit": "BIF-JOBINDSATS",
    "categories": ["BARN_SAG"],
    "affirmed_special": ["BARN_SAG"],
}
CUSTODY = "cpr.foraeldremyndighed_aendret"
YEAR = datetime.now(UTC).year


class Family:
    """Gülcan of the story (001:489), the other parent, and the child."""

    def __init__(self, mother: Citizen, father: Citizen, child: Citizen) -> None:
        self.mother, self.father, self.child = mother, father, child

    @property
    def id(self) -> UUID:
        return self.child.borger_id


async def family(door: Door, age: int = 8) -> Family:
    made = Family(await door.citizen(), await door.citizen(), await door.citizen(number(date(YEAR - age, 1, 1))))
    await custody(door, made, made.mother, made.father)
    return made


async def custody(door: Door, of: Family, *holders: Citizen) -> None:
    ids = tuple(holder.borger_id for holder in holders)
    await door.happens(CUSTODY, of.id, custody_holders=ids)


async def test_a_parent_sees_whom_they_hold_custody_of_and_no_one_elses_child(door: Door):
    home, other = await family(door), await family(door)
    mine = (await door.call("GET", "/v1/me", home.mother.token)).json()
    assert mine["children"] == [str(home.id)]
    assert (await door.call("GET", f"/v1/citizens/{other.id}/consents", home.mother.token)).status_code == 404
    assert (await door.grant(home.mother, other.id, **WISH)).status_code == 404


async def test_one_of_two_declarations_waits_and_the_second_makes_it_active(door: Door):
    home = await family(door)
    first = await door.grant(home.mother, home.id, **WISH)
    assert (first.status_code, first.json()["consent"]["status"]) == (201, "pending_signature")
    assert (
        await door.rows("SELECT 1 FROM coverage c JOIN scope s USING (borger_id) WHERE c.since_epoch < s.epoch") == []
    )
    assert [kind for kind, _ in await door.told("consent.events")] == []
    second = await door.grant(home.father, home.id, **WISH)
    consent = second.json()["consent"]
    assert consent["status"] == "active"
    assert consent["consent_id"] == first.json()["consent"]["consent_id"]
    assert [item["by_you"] for item in consent["declarations"]] == [False, True]
    assert [kind for kind, _ in await door.told("consent.events")] == ["samtykke.afgivet"]
    kinds = [kind for kind, _ in await door.told("audit.entries") if kind.startswith("consent.")]
    assert kinds == ["consent.declared", "consent.granted"]


async def test_the_same_parent_twice_is_not_two_parents(door: Door):
    home = await family(door)
    await door.grant(home.mother, home.id, **WISH)
    again = await door.grant(home.mother, home.id, **WISH)
    assert again.status_code == 409
    [row] = await door.rows("SELECT status FROM consent")
    assert row["status"] == "pending_signature"


async def test_the_second_parent_saying_yes_to_something_else_is_another_consent(door: Door):
    home = await family(door)
    await door.grant(home.mother, home.id, **WISH)
    wider = {**WISH, "categories": ["BARN_SAG", "SAGSEKSISTENS"]}
    answer = await door.grant(home.father, home.id, **wider)
    assert answer.json()["consent"]["status"] == "pending_signature"
    statuses = sorted(row["status"] for row in await door.rows("SELECT status FROM consent"))
    assert statuses == ["closed", "pending_signature"]


async def test_a_consent_ends_when_the_first_of_the_givers_wanted(door: Door):
    home = await family(door)
    until = f"{YEAR + 1}-01-15T12:00:00+00:00"
    await door.grant(home.mother, home.id, **WISH, valid_until=until)
    answer = await door.grant(home.father, home.id, **WISH)
    assert answer.json()["consent"]["valid_until"] in {until, until.replace("+00:00", "Z")}


async def test_a_parent_alone_in_custody_is_enough(door: Door):
    home = await family(door)
    await custody(door, home, home.mother)
    assert (await door.grant(home.mother, home.id, **WISH)).json()["consent"]["status"] == "active"
    assert (await door.grant(home.father, home.id, **WISH)).status_code == 404


async def test_a_young_child_does_not_consent_alone(door: Door):
    home = await family(door, age=12)
    assert (await door.grant(home.child, **WISH)).status_code == 403


async def test_a_young_person_and_both_parents_declare_for_special_categories(door: Door):
    home = await family(door, age=16)
    statuses = [
        (await door.grant(who, home.id, **WISH)).json()["consent"]["status"]
        for who in (home.child, home.mother, home.father)
    ]
    assert statuses == ["pending_signature", "pending_signature", "active"]


async def test_a_young_person_alone_declares_for_the_rest_and_a_parent_may_not(door: Door):
    home = await family(door, age=16)
    plain = {"purpose": "KOORDINERING", "categories": ["FREMMOEDE"]}
    assert (await door.grant(home.mother, home.id, **plain)).status_code == 403
    assert (await door.grant(home.child, **plain)).json()["consent"]["status"] == "active"


async def test_of_age_nobody_else_sees_or_declares(door: Door):
    home = await family(door, age=19)
    assert (await door.grant(home.mother, home.id, **WISH)).status_code == 404
    assert (await door.call("GET", f"/v1/citizens/{home.id}/consents", home.mother.token)).status_code == 404


async def test_what_is_about_a_child_is_not_stored_as_an_adults(door: Door):
    gulcan = await door.citizen()
    answer = await door.grant(gulcan, **WISH)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "categories")
    parents = {**WISH, "categories": ["SAGSEKSISTENS"], "affirmed_special": []}
    assert (await door.grant(gulcan, **parents)).status_code == 201


async def test_the_other_parents_identity_is_nowhere_in_what_a_parent_reads(door: Door):
    home = await family(door)
    await door.grant(home.mother, home.id, **WISH)
    consent = (await door.grant(home.father, home.id, **WISH)).json()["consent"]
    base = f"/v1/citizens/{home.id}/consents"
    for path in (base, f"{base}/{consent['consent_id']}", f"/v1/citizens/{home.id}/uses"):
        answer = await door.call("GET", path, home.father.token)
        assert answer.status_code == 200
        assert str(home.mother.borger_id) not in answer.text
        assert home.mother.cpr not in answer.text


@pytest.mark.parametrize("by", ["mother", "father"])
async def test_new_custody_closes_what_lacks_a_declaration_and_a_narrower_one_does_not(door: Door, by: str):
    home = await family(door)
    await door.grant(home.mother, home.id, **WISH)
    await door.grant(home.father, home.id, **WISH)
    await custody(door, home, getattr(home, by))  # one of them alone: both had declared
    assert [row["status"] for row in await door.rows("SELECT status FROM consent")] == ["active"]
    newcomer = await door.citizen()
    await custody(door, home, home.mother, newcomer)
    [row] = await door.rows("SELECT status, closed_reason FROM consent")
    assert tuple(row) == ("closed", "custody_changed")
