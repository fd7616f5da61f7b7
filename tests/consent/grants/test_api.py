"""Giving consent over HTTP: what is stored, what is refused and by which field, and one act per key."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.consent.world import issuer
from tests.consent.world.door import KEY, Door


def field_of(answer) -> str:
    return answer.json()["errors"][0]["field"]


async def test_a_consent_is_in_force_at_once_and_says_everything_it_is_about(door: Door):
    peter = await door.citizen()
    answer = await door.grant(peter)
    assert answer.status_code == 201, answer.text
    consent = answer.json()["consent"]
    assert (consent["status"], consent["purpose"], consent["legal_basis"]) == (
        "active",
        "KOORDINERING",
        "GDPR_SAMTYKKE",
    )
    assert consent["categories"] == ["BESKAEFTIGELSESFORLOEB", "FREMMOEDE"]
    assert consent["text"] == {
        "code": "KOORDINERING",
        "version": 2,
        "language": "da",
        "sha256": (await door.text("KOORDINERING"))["sha256"],
    }
    lasts = datetime.fromisoformat(consent["valid_until"]) - datetime.fromisoformat(consent["given_at"])
    assert timedelta(days=364) < lasts <= timedelta(days=366)
    [declared] = consent["declarations"]
    assert (declared["role"], declared["by_you"], declared["assurance"]) == ("self", True, "Substantial")


async def test_what_changed_is_told_to_the_bus_and_the_trail_in_the_same_transaction(door: Door):
    peter = await door.citizen()
    consent = (await door.grant(peter)).json()["consent"]
    [(kind, data)] = await door.told("consent.events")
    assert kind == "samtykke.afgivet"
    assert (data["purpose"], data["recipient_unit"], data["consent_id"]) == (
        "KOORDINERING",
        "SOF-BCV",
        consent["consent_id"],
    )
    [scope] = await door.rows("SELECT epoch FROM scope")
    assert data["epoch"] == scope["epoch"]
    entry = dict(await door.told("audit.entries"))["consent.granted"]
    assert (entry["subject"], entry["actor"], entry["retention_class"]) == (
        str(peter.borger_id),
        "citizen",
        "consent_evidence",
    )


async def test_a_grant_covers_its_scope_from_its_own_epoch_on(door: Door):
    await door.grant(await door.citizen())
    covered = await door.rows("SELECT c.category, c.since_epoch = s.epoch AS now FROM coverage c, scope s ORDER BY 1")
    assert [tuple(row) for row in covered] == [("BESKAEFTIGELSESFORLOEB", True), ("FREMMOEDE", True)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"purpose": "KONTROL"}, "purpose"),
        ({"purpose": None}, "purpose"),
        ({"holder_unit": "BIF-NOWHERE"}, "holder_unit"),
        ({"holder_unit": "SOF-BBU-AMAGER"}, "holder_unit"),
        ({"recipient_unit": "BIF-CAB"}, "recipient_unit"),
        ({"recipient_unit": "BIF"}, "recipient_unit"),
        ({"categories": []}, "categories"),
        ({"categories": None}, "categories"),
        ({"categories": ["ALT"]}, "categories"),
        ({"categories": ["BARN_SAG"]}, "categories"),
        ({"categories": ["BOLIG"]}, "categories"),  # SOF's, asked of a BIF unit
        ({"categories": ["KRISECENTER"]}, "categories"),  # R34
        ({"language": "sv", "text_sha256": "0" * 64}, "language"),
        ({"text_sha256": "0" * 64}, "text_sha256"),  # R10
        ({"text_version": 1}, "text_version"),
        ({"valid_until": "2020-01-01T00:00:00Z"}, "valid_until"),
        ({"valid_until": "2020-01-01T00:00:00"}, "valid_until"),
        ({"valid_until": (datetime.now(UTC) + timedelta(days=400)).isoformat()}, "valid_until"),  # R9
        ({"categories": ["AFKLARING_ARBEJDSEVNE"]}, "affirmed_special"),  # R4
        ({"categories": ["FREMMOEDE"], "affirmed_special": ["RUSMIDDEL"]}, "affirmed_special"),
        ({"everything": True}, "body"),
    ],
)
async def test_what_is_not_concrete_is_refused_by_field_and_nothing_is_stored(door: Door, change: dict, field: str):
    made = {**await door.body(), **change}
    peter = await door.citizen()
    answer = await door.call(
        "POST",
        f"/v1/citizens/{peter.borger_id}/consents",
        peter.token,
        headers={KEY: uuid4().hex},
        json={name: value for name, value in made.items() if value is not None},
    )
    assert (answer.status_code, field_of(answer)) == (422, field), answer.text
    assert (
        await door.rows("SELECT 1 FROM consent UNION ALL SELECT 1 FROM scope UNION ALL SELECT 1 FROM idempotency") == []
    )


async def test_the_text_of_another_language_or_purpose_is_not_the_one_that_was_shown(door: Door):
    peter = await door.citizen()
    for other in (await door.text("KOORDINERING", "en"), await door.text("KONTAKT")):
        answer = await door.grant(peter, text_sha256=other["sha256"])
        assert (answer.status_code, field_of(answer)) == (422, "text_sha256")
    assert (await door.grant(peter, language="en")).status_code == 201


async def test_a_special_category_is_granted_when_it_was_affirmed_by_itself(door: Door):
    hans = await door.citizen()
    wish = {"holder_unit": "SOF-RUSMIDDEL", "recipient_unit": "BIF-KANTEN", "categories": ["RUSMIDDEL"]}
    refused = await door.grant(hans, **wish)
    assert (refused.status_code, refused.json()["errors"][0]["known"]) == (422, ["RUSMIDDEL"])
    assert (await door.grant(hans, **wish, affirmed_special=["RUSMIDDEL"])).status_code == 201


async def test_the_availability_purpose_has_a_text_and_a_consent_of_its_own(door: Door):
    morten = await door.citizen()
    wish = {
        "holder_unit": "SOF-BCV",
        "recipient_unit": "BIF-JOBINDSATS",
        "categories": ["SOCIAL_STOETTE"],
        "affirmed_special": ["SOCIAL_STOETTE"],
    }
    planning = await door.text("KOORDINERING")
    answer = await door.grant(morten, **wish, purpose="RAADIGHEDSVURDERING", text_sha256=planning["sha256"])
    assert (answer.status_code, field_of(answer)) == (422, "text_sha256")
    assert "sanktion" in (await door.text("RAADIGHEDSVURDERING"))["body"]
    assert (await door.grant(morten, **wish)).status_code == 201
    [scope] = await door.rows("SELECT purpose FROM scope")
    assert scope["purpose"] == "KOORDINERING"


async def test_a_shorter_time_is_the_citizens_choice(door: Door):
    until = datetime.now(UTC) + timedelta(days=30)
    answer = await door.grant(await door.citizen(), valid_until=until.isoformat())
    assert datetime.fromisoformat(answer.json()["consent"]["valid_until"]) == until


async def test_a_renewal_supersedes_and_is_no_break_for_what_stays(door: Door):
    peter = await door.citizen()
    first = (await door.grant(peter)).json()["consent"]
    [before] = await door.rows("SELECT since_epoch FROM coverage WHERE category = 'FREMMOEDE'")
    second = (await door.grant(peter, categories=["FREMMOEDE"])).json()["consent"]
    found = {
        row["consent_id"]: row for row in await door.rows("SELECT consent_id::text, status, closed_reason FROM consent")
    }
    assert (found[first["consent_id"]]["status"], found[first["consent_id"]]["closed_reason"]) == (
        "closed",
        "superseded",
    )
    assert found[second["consent_id"]]["status"] == "active"
    [after] = await door.rows("SELECT since_epoch FROM coverage WHERE category = 'FREMMOEDE'")
    [dropped] = await door.rows("SELECT since_epoch FROM coverage WHERE category = 'BESKAEFTIGELSESFORLOEB'")
    assert after["since_epoch"] == before["since_epoch"] < dropped["since_epoch"]
    kinds = [kind for kind, _ in await door.told("consent.events")]
    assert kinds == ["samtykke.afgivet", "samtykke.lukket", "samtykke.afgivet"]


# One act per key


async def test_the_same_key_and_body_give_the_first_answer_and_one_consent(door: Door):
    peter = await door.citizen()
    first = await door.grant(peter, key="the-first-key")
    again = await door.grant(peter, key="the-first-key")
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await door.rows("SELECT 1 FROM consent")) == 1
    assert len(await door.rows("SELECT 1 FROM receipt")) == 1


async def test_a_key_is_the_same_quoted_or_not_and_two_keys_are_none(door: Door):
    peter, key = await door.citizen(), uuid4().hex
    first, again = await door.grant(peter, key=key), await door.grant(peter, key=f'"{key}"')
    assert (first.status_code, again.content) == (201, first.content)
    path, body = f"/v1/citizens/{peter.borger_id}/consents", await door.body()
    two = [("Authorization", f"Bearer {peter.token}"), (KEY, key), (KEY, uuid4().hex)]
    answer = await door.client.post(path, headers=two, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "idempotency-key")


async def test_the_same_key_with_another_body_is_a_conflict_and_changes_nothing(door: Door):
    peter = await door.citizen()
    await door.grant(peter, key="the-first-key")
    other = await door.grant(peter, key="the-first-key", categories=["FREMMOEDE"])
    assert other.status_code == 409
    assert len(await door.rows("SELECT 1 FROM consent")) == 1


async def test_a_key_belongs_to_its_citizen(door: Door):
    peter, morten = await door.citizen(), await door.citizen()
    assert (await door.grant(peter, key="the-first-key")).status_code == 201
    assert (await door.grant(morten, key="the-first-key")).status_code == 201
    assert len(await door.rows("SELECT 1 FROM consent")) == 2


async def test_a_refused_request_leaves_its_key_free(door: Door):
    peter = await door.citizen()
    assert (await door.grant(peter, key="the-first-key", categories=["ALT"])).status_code == 422
    assert (await door.grant(peter, key="the-first-key")).status_code == 201


@pytest.mark.parametrize("key", [None, "short", "k" * 65, "with space in it"])
async def test_without_a_usable_key_nothing_is_granted(door: Door, key: str | None):
    peter = await door.citizen()
    headers = {} if key is None else {KEY: key}
    path = f"/v1/citizens/{peter.borger_id}/consents"
    answer = await door.call("POST", path, peter.token, headers=headers, json=await door.body())
    assert answer.status_code == 422


async def test_of_many_at_once_with_one_key_one_acts_and_all_get_its_answer(door: Door):
    peter = await door.citizen()
    await door.text("KOORDINERING")
    answers = await asyncio.gather(*(door.grant(peter, key="all-at-once") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(await door.rows("SELECT 1 FROM consent")) == 1


async def test_of_many_at_once_with_one_key_and_two_bodies_one_wins_and_the_other_conflicts(door: Door):
    peter = await door.citizen()
    await door.text("KOORDINERING")
    wishes = [{"categories": ["FREMMOEDE"]}, {"categories": ["BESKAEFTIGELSESFORLOEB"]}] * 3
    answers = await asyncio.gather(*(door.grant(peter, key="all-at-once", **wish) for wish in wishes))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 3
    assert len(await door.rows("SELECT 1 FROM consent")) == 1


async def test_of_many_renewals_at_once_exactly_one_is_in_force(door: Door):
    peter = await door.citizen()
    await door.text("KOORDINERING")
    answers = await asyncio.gather(*(door.grant(peter) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    statuses = [row["status"] for row in await door.rows("SELECT status FROM consent")]
    assert sorted(statuses) == ["active"] + ["closed"] * 5
    sequences = [row["sequence"] for row in await door.rows("SELECT sequence FROM receipt ORDER BY sequence")]
    assert sequences == [1, 2, 3, 4, 5, 6]


# Who may


async def test_nobody_gives_consent_for_another_adult(door: Door):
    peter, morten = await door.citizen(), await door.citizen()
    assert (await door.grant(peter, morten.borger_id)).status_code == 404
    unknown = await door.grant(peter, uuid4())
    assert unknown.status_code == 404
    assert unknown.json() == (await door.grant(peter, morten.borger_id)).json()


@pytest.mark.parametrize("role", ["caseworker", "source_system", "advis", "dpo"])
async def test_nobody_but_a_citizen_gives_consent(door: Door, role: str):
    peter = await door.citizen()
    peter.token = issuer.token(role, cpr=peter.cpr, acr="Substantial")
    assert (await door.grant(peter)).status_code == 403


@pytest.mark.parametrize("claims", [{"acr": "Low"}, {"acr": None}, {"cpr": None}, {"cpr": "not a number"}])
async def test_a_login_below_substantial_or_without_a_number_gives_no_consent(door: Door, claims: dict):
    peter = await door.citizen()
    peter.token = issuer.citizen(peter.cpr, **claims)
    assert (await door.grant(peter)).status_code == 403


async def test_without_a_token_there_is_no_door(door: Door):
    peter = await door.citizen()
    answer = await door.call("POST", f"/v1/citizens/{peter.borger_id}/consents", json=await door.body())
    assert answer.status_code == 401
