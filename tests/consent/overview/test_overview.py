"""The citizen's view in one call: in words, with every use, with what can be done, and nobody else's."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.consent.decision.decide import Reason
from services.consent.overview.wording import KINDS_OF_USE, NOT_NOW
from tests.consent.citizens.test_family import family
from tests.consent.world import issuer
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.staff import authorised

HOUSING = {
    "purpose": "BOLIG_FOREBYGGELSE",
    "holder_unit": "BIF-YDELSE",
    "recipient_unit": "SOF-BOLIGRAADGIVNING",
    "categories": ["FORSOERGELSE"],
}


async def seen(door: Door, by: Citizen, about: Citizen | None = None, **headers: str) -> dict[str, Any]:
    path = f"/v1/citizens/{(about or by).borger_id}/overview"
    answer = await door.call("GET", path, by.token, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def used(door: Door, who: Citizen, consent_id: str, kind: str = "inbox", **changes: Any) -> None:
    """A use, as the fence writes it."""
    row = {"count": 1, "not_sent": 0, "at": datetime.now(UTC), "event_type": "bif.ydelse.stoppet", **changes}
    await door.rows(
        "INSERT INTO use_log (notification_id, borger_id, actor, kind, day, purpose, recipient_unit, holder_unit,"
        " categories, event_type, consent_ids, count, not_sent, first_at, last_at) VALUES ($1, $2, 'sof101', $3,"
        " current_date, 'KOORDINERING', 'SOF-BCV', 'BIF-JOBINDSATS', '{FREMMOEDE}', $4, $5, $6, $7, $8, $8)",
        *(uuid4(), who.borger_id, kind, row["event_type"], [consent_id], row["count"], row["not_sent"], row["at"]),
    )


async def test_it_says_in_a_sentence_who_may_learn_what_from_whom_for_what_and_until_when(door: Door):
    peter = await door.citizen()
    until = datetime(datetime.now(UTC).year + 1, 1, 4, 12, tzinfo=UTC)
    await door.grant(peter, valid_until=until.isoformat())
    danish, english = await seen(door, peter), await seen(door, peter, **{"Accept-Language": "en"})
    [consent] = danish["consents"]
    assert consent["sentence"] == (
        "Borgercenter Voksne må få noget at vide af Center for Jobindsats. Det er: Din plan, dine samtaler og dine"
        " tilbud om job eller praktik; Om du møder op, udebliver eller stopper i et forløb. Grunden er: At planlægge"
        f" din hjælp, så den passer sammen. Det gælder til 4. januar {until.year}."
    )
    [other] = english["consents"]
    assert other["sentence"].startswith("Citizen Centre for Adults may be told something by Centre for Employment")
    assert (danish["language"], english["language"]) == ("da", "en")
    assert (consent["status_label"], other["status_label"], consent["not_now"]) == ("Gælder", "In force", None)
    assert consent["law"]["provision"] == "GDPR art. 6(1)(a), 9(2)(a)"
    assert consent["law"]["consequence"].startswith("Du må sige nej.")
    assert consent["ends_by"]["code"] == "citizens_choice"
    assert all(item["may_be_told"] and not item["special"] for item in consent["categories"])
    assert consent["recipient"]["contact"]
    assert danish["municipality"]["supervisory_authority"] == "Datatilsynet"


async def test_it_says_how_it_was_obtained_and_by_which_role_and_never_by_whom(door: Door):
    home = await family(door)
    father, mother, child = home.father, home.mother, home.child
    wish = {
        "purpose": "FAMILIEINDSATS",
        "holder_unit": "SOF-BCH",
        "recipient_unit": "BIF-JOBINDSATS",
        "categories": ["BARN_SAG"],
        "affirmed_special": ["BARN_SAG"],
    }
    await door.grant(father, child.borger_id, **wish)
    found = await seen(door, mother, child)
    [consent] = found["consents"]
    [declaration] = consent["declarations"]
    assert (declaration["by_you"], declaration["role"]) == (False, "custody_holder")
    assert declaration["role_label"] == "En, der har forældremyndigheden"
    assert declaration["method_label"] == "På nettet, efter login"
    assert str(father.borger_id) not in json.dumps(found)
    assert consent["status"] == "pending_signature"
    assert "før alle, der skal sige ja" in consent["not_now"]
    await door.grant(mother, child.borger_id, **wish)
    [consent] = (await seen(door, father, child))["consents"]
    assert [item["by_you"] for item in consent["declarations"]] == [True, False]
    assert (consent["status"], consent["not_now"]) == ("active", None)


async def test_it_counts_every_use_and_shows_the_last_without_any_employee(door: Door):
    peter = await door.citizen()
    consent_id = (await door.grant(peter)).json()["consent"]["consent_id"]
    other = (await door.grant(peter, recipient_unit="SOF-BCH")).json()["consent"]["consent_id"]
    now = datetime.now(UTC)
    for hours, count in ((5, 2), (4, 1), (3, 1), (2, 3)):
        await used(door, peter, consent_id, count=count, at=now - timedelta(hours=hours))
    await used(door, peter, consent_id, count=1, not_sent=1)
    found = await seen(door, peter)
    uses = {item["consent_id"]: item["uses"] for item in found["consents"]}
    assert (uses[consent_id]["count"], uses[other]["count"]) == (7, 0)
    moments = [datetime.fromisoformat(item["at"]) for item in uses[consent_id]["last"]]
    assert moments == [now - timedelta(hours=hours) for hours in (2, 3, 4)]
    assert uses[consent_id]["last"][0]["kind"] == {"code": "inbox", "label": "Set i en indbakke"}
    assert "sof101" not in json.dumps(found)


async def test_what_is_in_the_way_of_a_consent_is_said_and_what_can_be_done_about_it_can_be_done(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    refusal = {"purpose": "KOORDINERING", "recipient_unit": "SOF-BCV"}
    await door.call("POST", f"/v1/citizens/{peter.borger_id}/refusals", peter.token, json=refusal)
    found = await seen(door, peter)
    [consent], [refused] = found["consents"], found["refusals"]
    assert consent["not_now"] == "Der bliver intet delt, for du har sagt nej."
    assert refused["sentence"].startswith("Intet må deles med: Borgercenter Voksne.")
    assert [item["may_be_told"] for item in consent["categories"]] == [False, False]
    [lift] = refused["links"]
    assert (await door.call(lift["method"], lift["href"], peter.token)).status_code == 200
    found = await seen(door, peter)
    assert (found["refusals"], found["consents"][0]["not_now"]) == ([], None)
    links = {link["rel"]: link for link in found["consents"][0]["links"]}
    assert (await door.call("GET", links["self"]["href"], peter.token)).status_code == 200
    assert (await door.call("POST", links["withdraw"]["href"], peter.token)).status_code == 200
    assert (await seen(door, peter))["consents"] == []
    for link in found["links"]:
        if link["method"] == "GET":
            assert (await door.call("GET", link["href"], peter.token)).status_code == 200, link


async def test_what_has_ended_is_not_there_whether_or_not_a_row_says_so(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    await door.grant(peter, **HOUSING)
    await door.rows("UPDATE consent SET valid_until = now() WHERE purpose = 'KOORDINERING'")
    assert [item["purpose"]["code"] for item in (await seen(door, peter))["consents"]] == ["BOLIG_FOREBYGGELSE"]


async def test_another_legal_basis_is_shown_beside_and_is_no_consent(door: Door):
    peter, basis = await door.citizen(), uuid4()
    await door.rows(
        "INSERT INTO other_basis (basis_id, borger_id, holder_unit, recipient_unit, category, purpose, legal_basis,"
        " valid_from, valid_until, decision_reference, recorded_by) VALUES ($1, $2, 'BIF-YDELSE',"
        " 'SOF-BOLIGRAADGIVNING', 'FORSOERGELSE', 'BOLIG_FOREBYGGELSE', 'RSL_11A_2', now(),"
        " now() + interval '1 day', 'SOF-26-1', 'sof101')",
        *(basis, peter.borger_id),
    )
    found = await seen(door, peter)
    assert found["consents"] == []
    [shown] = found["other_bases"]
    assert (shown["basis_id"], shown["law"]["provision"]) == (str(basis), "retssikkerhedsloven § 11 a, stk. 2")
    assert "sof101" not in json.dumps(found)
    await door.rows("UPDATE other_basis SET valid_until = now()")
    assert (await seen(door, peter))["other_bases"] == []


async def test_a_representative_sees_only_what_their_authority_is_about(door: Door):
    peter, anna = await door.citizen(), await door.citizen()
    await authorised(door, peter, anna, purposes=["KOORDINERING"])
    await door.grant(peter)
    await door.grant(peter, **HOUSING)
    no = {"purpose": "BOLIG_FOREBYGGELSE", "recipient_unit": "SOF-BOLIGRAADGIVNING"}
    headers = {KEY: uuid4().hex}
    await door.call("POST", f"/v1/citizens/{peter.borger_id}/refusals", peter.token, json=no, headers=headers)
    mine, hers = await seen(door, peter), await seen(door, anna, peter)
    assert (len(mine["consents"]), len(mine["refusals"]), len(mine["representatives"])) == (2, 1, 1)
    assert [item["purpose"]["code"] for item in hers["consents"]] == ["KOORDINERING"]
    assert (hers["refusals"], hers["notices"], len(hers["representatives"])) == ([], [], 1)
    assert {link["rel"] for link in hers["links"]} == {"list", "give", "refuse"}


async def test_nobody_else_sees_it(door: Door):
    peter, morten = await door.citizen(), await door.citizen()
    path = f"/v1/citizens/{peter.borger_id}/overview"
    answers = [
        await door.call("GET", path, morten.token),
        await door.call("GET", f"/v1/citizens/{uuid4()}/overview", peter.token),
        await door.call("GET", path, issuer.token("caseworker", unit="SOF-BCV", acr="Substantial")),
        await door.call("GET", path, issuer.token("dpo")),
        await door.call("GET", path),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 403, 403, 401]


async def test_the_custody_that_ended_ends_the_view(door: Door):
    home = await family(door)
    father, mother, child = home.father, home.mother, home.child
    await seen(door, father, child)
    await door.happens("cpr.foraeldremyndighed_aendret", child.borger_id, custody_holders=(mother.borger_id,))
    path = f"/v1/citizens/{child.borger_id}/overview"
    assert (await door.call("GET", path, father.token)).status_code == 404


async def test_it_is_one_entry_in_the_trail(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    before = len(await door.told("audit.entries"))
    await seen(door, peter)
    new = (await door.told("audit.entries"))[before:]
    assert [entry["type"] for _, entry in new] == ["overview.read"]


async def test_somebody_with_nothing_sees_what_they_can_do(door: Door):
    found = await seen(door, await door.citizen())
    assert [found[name] for name in ("consents", "requests", "refusals", "other_bases", "notices")] == [[]] * 5
    assert "give" in {link["rel"] for link in found["links"]}


@pytest.mark.parametrize("kind", ["inbox", "stream", "api", "doorbell", "digest", "mail"])
def test_every_way_of_telling_has_words(kind: str):
    assert kind in KINDS_OF_USE


def test_no_reason_is_told_that_is_not_the_citizens_to_know():
    """Reasons of reference data and of the fence say only that nothing is shared."""
    assert Reason.DEAD not in NOT_NOW
    assert Reason.NO_POLICY not in NOT_NOW
