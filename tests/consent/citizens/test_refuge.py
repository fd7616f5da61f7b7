"""A parent does not see through the child where the other parent stays, or through whom they act (R34)."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.consent.http.signing import content_of
from tests.consent.attestations.test_attestations import say, yes
from tests.consent.citizens.test_family import WISH, family
from tests.consent.world.door import KEY, Door
from tests.consent.world.staff import employee

REFUGE = "BIF-FREMSKUDT-KRISECENTER"


def at_the_refuge(name: str) -> str:
    return employee(name, role="citizen_service", unit=REFUGE)


async def test_what_one_parent_says_at_a_refuge_shows_the_other_nothing_of_it(door: Door):
    home = await family(door)
    about = {"about": {"cpr": home.child.cpr}, "by": at_the_refuge("bif901")}
    proposed = (await say(door, home.mother.cpr, await yes(door, **WISH), **about)).json()["attestation_id"]
    headers = {KEY: uuid4().hex, "If-Match": "*"}
    path = f"/v1/attestations/{proposed}:confirm"
    assert (await door.call("POST", path, at_the_refuge("bif902"), headers=headers)).status_code == 200
    stop = {"kind": "refuse", "purpose": "KOORDINERING", "recipient_unit": "SOF-BCV"}
    assert (await say(door, home.mother.cpr, stop, **about)).status_code == 200
    base = f"/v1/citizens/{home.id}"
    [row] = await door.rows("SELECT consent_id FROM consent")
    [refused] = await door.rows("SELECT receipt_id FROM receipt WHERE event = 'refused'")
    shown = [base + "/consents", f"{base}/consents/{row['consent_id']}", base + "/receipts", base + "/uses"]
    whole = (base + "/overview", base + "/export")
    for path in (*shown, base + "/refusals", base + "/notices", base + "/authorities", *whole):
        answer = await door.call("GET", path, home.father.token)
        assert answer.status_code == 200, path
        told = answer.json()
        opened = answer.text + "".join(
            json.dumps(content_of(item["jws"]))
            for item in (*told.get("items", ()), *told.get("receipts", ()))
            if "jws" in item
        )
        for secret in (REFUGE, str(home.mother.borger_id), home.mother.cpr, "bif901"):
            assert secret not in opened, path
    one = f"{base}/receipts/{refused['receipt_id']}"
    assert (await door.call("GET", one, home.father.token)).status_code == 404
    own = await door.call("GET", base + "/receipts", home.mother.token)
    assert [item["event"] for item in own.json()["items"]] == ["refused", "declared"]
    assert (await door.call("GET", one, home.mother.token)).status_code == 200
    mine = (await door.call("GET", base + "/consents", home.mother.token)).json()["items"]
    assert [item["attested_unit"] for item in mine[0]["declarations"]] == [REFUGE]


async def test_a_parent_sees_their_own_and_what_the_child_and_the_clock_did(door: Door):
    home = await family(door, age=16)
    plain = {"purpose": "KOORDINERING", "categories": ["FREMMOEDE"]}
    await door.grant(home.child, **plain)
    await door.grant(home.father, home.id, **WISH)
    await door.happens("cpr.flytning_ud", home.id, at=datetime.now(UTC))
    listed = await door.call("GET", f"/v1/citizens/{home.id}/receipts", home.father.token)
    assert [item["event"] for item in listed.json()["items"]] == ["closed", "closed", "declared", "given"]


@pytest.mark.parametrize(("age", "told"), [(9, []), (12, ["decided_for_you"] * 2), (16, [])])
async def test_a_child_of_an_age_to_be_involved_is_shown_what_a_parent_decides(door: Door, age: int, told: list[str]):
    home = await family(door, age=age)
    answer = await door.grant(home.mother, home.id, **WISH)
    consent_id = answer.json()["consent"]["consent_id"]
    path = f"/v1/citizens/{home.id}/consents/{consent_id}"
    assert (await door.call("POST", f"{path}:withdraw", home.mother.token)).status_code == 200
    notices = (await door.call("GET", f"/v1/citizens/{home.id}/notices", home.child.token)).json()["items"]
    assert [item["kind"] for item in notices] == told
    assert (await door.call("GET", path, home.child.token)).json()["status"] == "withdrawn"
