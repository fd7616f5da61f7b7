"""What citizens say by telephone or in person (U4): a no at once, a special yes with four eyes, the citizen told."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from services.consent.decision.decide import Reason
from services.consent.lifecycle.worker import sweep
from tests.consent.citizens.test_family import WISH, family
from tests.consent.lifecycle.test_lifecycle import decided
from tests.consent.world.asking import Desk
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.fence_door import in_flight, settle
from tests.consent.world.people import adult, number
from tests.consent.world.staff import ELSEWHERE, FIRST, SECOND, SERVICE, TODAY, authorised, employee

SPECIAL: dict[str, Any] = {
    "purpose": "BEHANDLING_FASTHOLDELSE",
    "holder_unit": "SOF-RUSMIDDEL",
    "recipient_unit": "BIF-KANTEN",
    "categories": ["RUSMIDDEL"],
    "affirmed_special": ["RUSMIDDEL"],
}
REFUSED: dict[str, dict[str, str]] = {
    "later_refusal": {"purpose": SPECIAL["purpose"], "recipient_unit": SPECIAL["recipient_unit"]},
    "later_wide": {"purpose": SPECIAL["purpose"]},
    "later_to_all": {},
    "later_for_all": {"recipient_unit": SPECIAL["recipient_unit"]},
}
DRUGS = employee("sof301", unit="SOF-RUSMIDDEL")
DRUGS_TOO = employee("sof302", unit="SOF-RUSMIDDEL")
QUESTION = {"purpose": "KOORDINERING", "holder_unit": "BIF-JOBINDSATS", "recipient_unit": "SOF-BCV"}
REFUSAL = {"kind": "refuse", "purpose": "KOORDINERING", "recipient_unit": "SOF-BCV"}


async def say(door: Door, cpr: str, act: dict[str, Any], /, *, by: str = FIRST, **changes: Any) -> httpx2.Response:
    """What somebody says to an employee, just now by telephone."""
    headers = changes.pop("headers", {KEY: uuid4().hex})
    body = {
        "citizen": {"cpr": cpr},
        "method": "telephone_conversation",
        "conversed_at": datetime.now(UTC).isoformat(),
        "act": act,
        **changes,
    }
    return await door.call("POST", "/v1/attestations", by, headers=headers, json=body)


async def yes(door: Door, **changes: Any) -> dict[str, Any]:
    return {"kind": "grant", **await door.body(**changes)}


async def second(
    door: Door, attestation_id: str, step: str = "confirm", *, by: str = DRUGS_TOO, tag: str | None = "*"
) -> httpx2.Response:
    headers = {KEY: uuid4().hex, **({} if tag is None else {"If-Match": tag})}
    return await door.call("POST", f"/v1/attestations/{attestation_id}:{step}", by, headers=headers)


async def drugs(door: Door, borger_id: Any) -> Reason:
    rows = await door.rows("SELECT status FROM consent WHERE borger_id = $1 AND status = 'active'", borger_id)
    return Reason.CONSENT if rows else Reason.NO_CONSENT


async def notices(door: Door, who: Citizen) -> list[str]:
    answer = await door.call("GET", f"/v1/citizens/{who.borger_id}/notices", who.token)
    return [item["kind"] for item in answer.json()["items"]]


async def test_a_yes_by_telephone_is_in_force_told_and_undone_in_one_step(door: Door):
    peter = await door.citizen()
    answer = await say(door, peter.cpr, await yes(door))
    assert (answer.status_code, answer.json()["status"]) == (201, "registered")
    assert await decided(door, peter.borger_id) is Reason.CONSENT
    listed = await door.call("GET", f"/v1/citizens/{peter.borger_id}/consents", peter.token)
    [consent] = listed.json()["items"]
    assert consent["consent_id"] == answer.json()["object_id"]
    [said] = consent["declarations"]
    assert (said["role"], said["method"], said["attested_unit"], said["by_you"]) == (
        "self",
        "telephone_conversation",
        "SOF-BCV",
        True,
    )
    assert "sof101" not in listed.text
    assert await notices(door, peter) == ["attested"]
    [row] = await door.rows("SELECT attested_by, confirmed_by, assurance FROM declaration")
    assert tuple(row) == ("sof101", None, "Substantial")
    path = f"/v1/citizens/{peter.borger_id}/consents/{consent['consent_id']}:withdraw"
    assert (await door.call("POST", path, peter.token)).status_code == 200
    assert await decided(door, peter.borger_id) is Reason.NO_CONSENT


async def test_somebody_who_has_never_signed_in_can_say_yes_and_finds_it_when_they_do(door: Door):
    cpr = adult()
    assert (await say(door, cpr, await yes(door), method="personal_conversation")).status_code == 201
    later = await door.citizen(cpr)
    items = (await door.call("GET", f"/v1/citizens/{later.borger_id}/consents", later.token)).json()["items"]
    assert [item["declarations"][0]["method"] for item in items] == ["personal_conversation"]


async def test_a_special_category_waits_for_another_employees_confirmation(door: Door):
    peter = await door.citizen()
    proposed = await say(door, peter.cpr, await yes(door, **SPECIAL), by=DRUGS)
    attestation = proposed.json()
    assert (proposed.status_code, attestation["status"], attestation["object_id"]) == (201, "proposed", None)
    assert await drugs(door, peter.borger_id) is Reason.NO_CONSENT
    assert await notices(door, peter) == []
    assert (await second(door, attestation["attestation_id"], by=DRUGS)).status_code == 409
    assert (await second(door, attestation["attestation_id"], by=ELSEWHERE)).status_code == 404
    assert await drugs(door, peter.borger_id) is Reason.NO_CONSENT
    confirmed = await second(door, attestation["attestation_id"])
    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "confirmed")
    assert await drugs(door, peter.borger_id) is Reason.CONSENT
    [row] = await door.rows("SELECT attested_by, confirmed_by FROM declaration")
    assert tuple(row) == ("sof301", "sof302")
    assert await notices(door, peter) == ["attested"]
    assert (await second(door, attestation["attestation_id"])).status_code == 409


@pytest.mark.parametrize(
    "end", ["reject", "lapse", "later_no", "later_refusal", "later_wide", "later_to_all", "later_for_all"]
)
async def test_a_proposal_that_is_not_confirmed_in_time_never_takes_effect(door: Door, end: str):
    peter = await door.citizen()
    attestation_id = (await say(door, peter.cpr, await yes(door, **SPECIAL), by=DRUGS)).json()["attestation_id"]
    if end == "reject":
        assert (await second(door, attestation_id, "reject", by=DRUGS)).status_code == 409
        assert (await second(door, attestation_id, "reject")).json()["status"] == "rejected"
    elif end == "lapse":
        async with door.app.state.database.write() as session:
            await session.exec_driver_sql("UPDATE attestation SET lapses_at = now() - interval '1 second'")
        seen = await door.call("GET", f"/v1/attestations/{attestation_id}", DRUGS)
        assert seen.json()["status"] == "lapsed"
    elif end in REFUSED:
        refusals = f"/v1/citizens/{peter.borger_id}/refusals"
        made = (await door.call("POST", refusals, peter.token, json=REFUSED[end])).json()
        lifted = await door.call("POST", f"{refusals}/{made['refusal_id']}:lift", peter.token)
        assert lifted.status_code == 200, lifted.text  # what is attested is older than the no, lifted or not
    else:
        consent_id = (await door.grant(peter, **SPECIAL)).json()["consent"]["consent_id"]
        await door.call("POST", f"/v1/citizens/{peter.borger_id}/consents/{consent_id}:withdraw", peter.token)
    assert (await second(door, attestation_id)).status_code == 409
    assert await drugs(door, peter.borger_id) is Reason.NO_CONSENT


async def test_the_sweep_writes_down_what_has_lapsed_and_nothing_that_waits(door: Door):
    peter, hans = await door.citizen(), await door.citizen()
    late = (await say(door, peter.cpr, await yes(door, **SPECIAL), by=DRUGS)).json()["attestation_id"]
    await say(door, hans.cpr, await yes(door, **SPECIAL), by=DRUGS)
    async with door.app.state.database.write() as session:
        query = "UPDATE attestation SET lapses_at = now() - interval '1 second' WHERE attestation_id = $1::uuid"
        await session.exec_driver_sql(query, (late,))
    state = door.app.state
    await sweep(state.database, state.settings, state.signer)
    rows = await door.rows("SELECT borger_id, status FROM attestation")
    assert {row["borger_id"]: row["status"] for row in rows} == {peter.borger_id: "lapsed", hans.borger_id: "proposed"}


@pytest.mark.parametrize("named", ["by_id", "by_question"])
async def test_a_withdrawal_by_telephone_takes_one_employee_and_waits_for_what_is_in_flight(door: Door, named: str):
    peter = await door.citizen()
    consent_id, token, permit = await in_flight(door, peter)
    act = {"kind": "withdraw", **({"consent_id": consent_id} if named == "by_id" else QUESTION)}
    key = {KEY: uuid4().hex}
    when = datetime.now(UTC).isoformat()
    early = await say(door, peter.cpr, act, headers={**key, "Prefer": "respond-async"}, conversed_at=when)
    assert (early.status_code, early.json()["draining"]) == (202, True)
    assert await decided(door, peter.borger_id) is Reason.NO_CONSENT
    await settle(door, token, permit)
    late = await say(door, peter.cpr, act, headers=key, conversed_at=when)
    assert (late.status_code, late.json()["draining"], late.json()["object_id"]) == (200, False, consent_id)
    assert len(await door.rows("SELECT 1 FROM attestation")) == 1
    assert await notices(door, peter) == ["attested"]


async def test_a_withdrawal_said_before_the_citizen_consented_anew_leaves_the_new_consent(door: Door):
    peter = await door.citizen()
    said = datetime.now(UTC) - timedelta(minutes=5)
    consent_id = (await door.grant(peter)).json()["consent"]["consent_id"]
    for act in ({"kind": "withdraw", **QUESTION}, {"kind": "withdraw", "consent_id": consent_id}):
        assert (await say(door, peter.cpr, act, conversed_at=said.isoformat())).status_code == 404
    assert await decided(door, peter.borger_id) is Reason.CONSENT


async def test_a_refusal_takes_one_employee_and_its_lifting_two(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    assert (await say(door, peter.cpr, REFUSAL)).status_code == 200
    assert await decided(door, peter.borger_id) is Reason.REFUSED
    lifting = await say(door, peter.cpr, {**REFUSAL, "kind": "lift"})
    assert (lifting.status_code, lifting.json()["status"]) == (201, "proposed")
    assert await decided(door, peter.borger_id) is Reason.REFUSED
    assert (await second(door, lifting.json()["attestation_id"], by=FIRST)).status_code == 409
    assert await decided(door, peter.borger_id) is Reason.REFUSED
    assert (await second(door, lifting.json()["attestation_id"], by=SECOND)).status_code == 200
    assert await decided(door, peter.borger_id) is Reason.CONSENT


@pytest.mark.parametrize(("said", "reply"), [("decline", "declined"), ("grant", "given")])
async def test_what_a_unit_has_asked_is_answered_by_telephone(door: Door, said: str, reply: str):
    desk = Desk(door)
    peter = await desk.known()
    made = await desk.asked(peter.borger_id)
    act = await yes(door) if said == "grant" else {"kind": "decline", **QUESTION}
    answer = await say(door, peter.cpr, act)
    assert answer.status_code == (201 if said == "grant" else 200)
    assert await desk.state(made) == ("answered", reply)
    assert (await decided(door, peter.borger_id) is Reason.CONSENT) == (said == "grant")
    if said == "decline":
        assert (await desk.ask(peter.borger_id)).status_code == 409  # the cool-down
        assert (await say(door, peter.cpr, act)).status_code == 404  # nothing is asked any more


async def test_a_refusal_made_after_the_conversation_is_not_lifted_by_it(door: Door):
    peter = await door.citizen()
    lifting = await say(door, peter.cpr, {**REFUSAL, "kind": "lift"})
    body = {"purpose": "KOORDINERING", "recipient_unit": "SOF-BCV"}
    await door.call("POST", f"/v1/citizens/{peter.borger_id}/refusals", peter.token, json=body)
    assert (await second(door, lifting.json()["attestation_id"], by=SECOND)).status_code == 409
    assert len(await door.rows("SELECT 1 FROM refusal WHERE lifted_at IS NULL")) == 1


async def test_a_parent_speaks_for_the_child_and_a_stranger_does_not(door: Door):
    home = await family(door)
    about = {"about": {"cpr": home.child.cpr}, "by": employee("sof401", unit="SOF-BCH")}
    act = await yes(door, **WISH)
    assert (await say(door, adult(), act, **about)).status_code == 404
    assert (await say(door, home.child.cpr, act, by=about["by"])).json()["status"] == "proposed"
    proposed = (await say(door, home.mother.cpr, act, **about)).json()["attestation_id"]
    confirmed = await second(door, proposed, by=employee("sof402", unit="SOF-BCH"))
    assert confirmed.status_code == 200
    [row] = await door.rows("SELECT giver, role FROM declaration")
    assert tuple(row) == (home.mother.borger_id, "custody_holder")
    [consent] = await door.rows("SELECT status FROM consent")
    assert consent["status"] == "pending_signature"


async def test_a_child_below_the_age_cannot_be_attested_a_yes(door: Door):
    home = await family(door)
    by = employee("sof401", unit="SOF-BCH")
    proposed = (await say(door, home.child.cpr, await yes(door, **WISH), by=by)).json()["attestation_id"]
    assert (await second(door, proposed, by=employee("sof402", unit="SOF-BCH"))).status_code == 403
    assert await door.rows("SELECT 1 FROM consent") == []


async def test_an_attorney_speaks_only_about_what_the_power_covers(door: Door):
    peter, anna = await door.citizen(), await door.citizen()
    authority_id = await authorised(door, peter, anna, purposes=["KOORDINERING"])
    about = {"about": {"cpr": peter.cpr}}
    other = {**REFUSAL, "purpose": "BOLIG_FOREBYGGELSE", "recipient_unit": "SOF-BOLIGRAADGIVNING"}
    assert (await say(door, anna.cpr, other, **about)).status_code == 404
    assert (await say(door, anna.cpr, await yes(door), **about)).status_code == 201
    [row] = await door.rows("SELECT role, authority_id FROM declaration")
    assert (row["role"], str(row["authority_id"])) == ("attorney", authority_id)
    assert await notices(door, peter) == ["attested", "authority_recorded"]


async def test_an_employee_attests_neither_for_themselves_nor_for_their_child(door: Door):
    peter = await door.citizen()
    assert (await say(door, peter.cpr, REFUSAL, by=employee(cpr=peter.cpr))).status_code == 403
    child = await door.citizen(number(date(TODAY.year - 8, 1, 1)))
    await door.happens("cpr.foraeldremyndighed_aendret", child.borger_id, custody_holders=(peter.borger_id,))
    other = {"about": {"cpr": child.cpr}, "by": employee(cpr=peter.cpr)}
    assert (await say(door, peter.cpr, REFUSAL, **other)).status_code == 403
    assert (await say(door, child.cpr, REFUSAL, by=employee(cpr=peter.cpr))).status_code == 403
    assert await door.rows("SELECT 1 FROM attestation") == []


async def test_a_caseworker_acts_in_their_own_units_matters_and_the_citizen_service_in_all(door: Door):
    peter = await door.citizen()
    outside = employee("bif201", unit="BIF-KANTEN")
    assert (await say(door, peter.cpr, await yes(door), by=outside)).status_code == 403
    await door.grant(peter)
    withdrawal = {"kind": "withdraw", **QUESTION}
    assert (await say(door, peter.cpr, withdrawal, by=outside)).status_code == 404
    assert (await say(door, peter.cpr, {**REFUSAL, "kind": "lift"}, by=outside)).status_code == 403
    assert await decided(door, peter.borger_id) is Reason.CONSENT
    assert (await say(door, peter.cpr, withdrawal, by=SERVICE)).status_code == 200
    bridge = employee("sof501", role="bridge_builder", unit="BIF-JOBINDSATS")
    assert (await say(door, peter.cpr, await yes(door), by=bridge)).status_code == 201


async def test_whether_somebody_is_known_or_has_a_case_shows_in_nothing(door: Door):
    peter = await door.citizen()
    known = {"citizen": {"borger_id": str(peter.borger_id)}}
    unknown = {"citizen": {"borger_id": str(uuid4())}}
    first, other = await say(door, "", REFUSAL, **known), await say(door, "", REFUSAL, **unknown)
    assert (first.status_code, first.content) == (other.status_code, other.content)
    assert first.status_code == 404
    await door.happens("sof.sag.aabnet", peter.borger_id, case_reference="SOF-26-1")
    assert (await say(door, "", REFUSAL, **known)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": "faglig_vurdering"}, "method"),
        ({"method": "non-verbal_tilkendegivelse"}, "method"),
        ({"method": "system_evidence"}, "method"),
        ({"conversed_at": "2020-01-01T10:00:00Z"}, "conversed_at"),
        ({"conversed_at": "2099-01-01T10:00:00Z"}, "conversed_at"),
        ({"conversed_at": None}, "conversed_at"),
    ],
)
async def test_what_was_not_said_lately_in_a_conversation_is_no_evidence(door: Door, changes: dict, field: str):
    peter = await door.citizen()
    answer = await say(door, peter.cpr, REFUSAL, **changes)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert await door.rows("SELECT 1 FROM refusal") == []


async def test_another_text_than_the_one_in_force_was_not_read_aloud(door: Door):
    peter = await door.citizen()
    for changes in (SPECIAL, {}):
        by = DRUGS if changes else FIRST
        answer = await say(door, peter.cpr, await yes(door, **changes, text_sha256="0" * 64), by=by)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "text_sha256")
    assert await door.rows("SELECT 1 FROM attestation") == []


async def test_a_unit_lists_its_own_by_state_page_by_page(door: Door):
    ids = [(await say(door, adult(), await yes(door, **SPECIAL), by=DRUGS)).json()["attestation_id"] for _ in range(3)]
    await say(door, adult(), {**REFUSAL, "recipient_unit": "BIF-KANTEN"}, by=DRUGS)
    path = "/v1/attestations?status=proposed&limit=2"
    first = (await door.call("GET", path, DRUGS_TOO)).json()
    rest = (await door.call("GET", f"{path}&cursor={first['next']}", DRUGS_TOO)).json()
    assert [item["attestation_id"] for item in (*first["items"], *rest["items"])] == ids[::-1]
    assert (await door.call("GET", path, FIRST)).json()["items"] == []
    assert (await door.call("GET", f"/v1/attestations/{ids[0]}", FIRST)).status_code == 404


async def test_confirming_names_what_was_read_and_no_number_is_anywhere(door: Door):
    peter = await door.citizen()
    proposed = await say(door, peter.cpr, await yes(door, **SPECIAL), by=DRUGS)
    attestation_id = proposed.json()["attestation_id"]
    assert (await second(door, attestation_id, tag=None)).status_code == 428
    assert (await second(door, attestation_id, tag='"other"')).status_code == 412
    assert (await second(door, attestation_id, tag=proposed.headers["ETag"])).status_code == 200
    kinds = [kind for kind, _ in await door.told("audit.entries") if kind.startswith("attestation.")]
    assert kinds == ["attestation.proposed", "attestation.confirmed"]
    assert peter.cpr not in str(await door.rows("SELECT payload FROM outbox"))
    assert peter.cpr not in str(await door.rows("SELECT * FROM attestation"))
