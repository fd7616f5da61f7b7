"""The administrator's door: versions are added, never edited; what contradicts or asks too much is refused by name."""

import asyncio
import json
from dataclasses import fields
from datetime import timedelta
from typing import Any, get_args
from uuid import uuid4

import httpx2
import pytest

from libs.cli.installation.people import CLIENTS, STAFF
from services.consent.catalogue.form import KINDS, RawEntry, build
from services.consent.catalogue_administration.schemas import NewVersion
from tests import hostile
from tests.consent.world import fence_door, issuer
from tests.consent.world.catalogue_world import TARGET, day
from tests.consent.world.door import KEY, Door
from tests.consent.world.fence_world import RECIPIENT

ADMIN = issuer.token("administrator", subject="adm1")
UNIT = {
    "kind": "units",
    "valid_from": day(0).isoformat(),
    "label": {"da": "Ny enhed", "en": "New unit"},
    "source": "2026-0001",
    "administration": "SOF",
    "contact": "ny@sof.example",
}


async def send(door: Door, method: str, path: str, body: Any = None, **options: Any) -> httpx2.Response:
    headers = {KEY: options.pop("key", uuid4().hex), **({"If-Match": tag} if (tag := options.pop("tag", None)) else {})}
    token = options.pop("token", ADMIN)
    return await door.call(method, f"/v1/admin/{path}", token, headers=headers, json=body, **options)


async def seen(door: Door, kind: str, code: str) -> tuple[dict[str, Any], str]:
    answer = await door.call("GET", f"/v1/admin/catalogue/{kind}/{code}", ADMIN)
    assert answer.status_code == 200, answer.text
    return answer.json(), answer.headers["ETag"]


async def add(door: Door, kind: str, code: str, **changes: Any) -> httpx2.Response:
    """The next version of an entry, as its newest with changes."""
    view, tag = await seen(door, kind, code)
    newest = view["versions"][-1]
    content = {name: value for name, value in newest["content"].items() if name != "sha256"}
    body = {"kind": kind, "label": newest["label"], **content, "valid_from": day(1).isoformat(), **changes}
    return await send(door, "POST", f"catalogue/{kind}/{code}/versions", body, tag=tag)


async def close(door: Door, kind: str, code: str, valid_to: str | None) -> httpx2.Response:
    _, tag = await seen(door, kind, code)
    return await send(door, "POST", f"catalogue/{kind}/{code}:close", {"valid_to": valid_to}, tag=tag)


def field_errors(answer: httpx2.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["field"], error["message"]) for error in answer.json()["errors"]]


def test_a_version_says_exactly_what_the_files_say() -> None:
    for model in get_args(get_args(NewVersion)[0]):
        kind = get_args(model.model_fields["kind"].annotation)[0]
        made_here = {"code", "version", *({"sha256"} if kind == "texts" else ())}
        assert {*model.model_fields} - {"kind"} == {item.name for item in fields(KINDS[kind])} - made_here, kind


async def test_a_new_entry_is_in_the_public_catalogue_at_once(door: Door) -> None:
    answer = await send(door, "POST", "catalogue/units/SOF-NY/versions", UNIT)
    assert answer.status_code == 201, answer.text
    (version,) = answer.json()["versions"]
    assert (version["version"], version["status"], version["origin"]) == (1, "in_force", "api")
    public = (await door.call("GET", "/v1/catalogue", ADMIN)).json()
    assert "SOF-NY" in {unit["code"] for unit in public["units"]}


async def test_a_version_ends_the_one_before_and_is_on_the_record_about_nobody(door: Door) -> None:
    answer = await add(door, "units", RECIPIENT, contact="andre@sof.example")
    assert answer.status_code == 201, answer.text
    old, new = answer.json()["versions"]
    assert (old["valid_to"], new["valid_from"], new["status"]) == (day(1).isoformat(), day(1).isoformat(), "future")
    assert answer.headers["ETag"] == (await seen(door, "units", RECIPIENT))[1]
    kind, entry = (await door.told("audit.entries"))[-1]
    assert (kind, entry["actor"], entry["reason"], entry.get("subject")) == (
        *("catalogue.changed", "adm1", "version_added", None),
    )
    assert (entry["objects"]["kind"], entry["objects"]["code"], entry["objects"]["version"]) == (
        "units",
        RECIPIENT,
        "2",
    )


async def test_nothing_that_is_or_has_been_in_force_is_edited(door: Door) -> None:
    _, tag = await seen(door, "units", RECIPIENT)
    for method, path in (("PUT", "versions/1"), ("POST", "versions/1:take-back")):
        answer = await send(door, method, f"catalogue/units/{RECIPIENT}/{path}", UNIT, tag=tag)
        assert field_errors(answer)[0][0] == "version"
    assert (await add(door, "units", RECIPIENT, valid_from=day(-1).isoformat())).status_code == 422
    assert (await close(door, "units", RECIPIENT, day(-1).isoformat())).status_code == 422


async def test_a_future_version_is_replaced_or_taken_back_and_keeps_its_number(door: Door) -> None:
    await add(door, "units", RECIPIENT, contact="andre@sof.example")
    _, tag = await seen(door, "units", RECIPIENT)
    body = {**UNIT, "valid_from": day(2).isoformat()}
    answer = await send(door, "PUT", f"catalogue/units/{RECIPIENT}/versions/2", body, tag=tag)
    assert answer.status_code == 201, answer.text
    assert [item["status"] for item in answer.json()["versions"]] == ["in_force", "taken_back", "future"]
    path = f"catalogue/units/{RECIPIENT}/versions/3:take-back"
    answer = await send(door, "POST", path, tag=answer.headers["ETag"])
    assert answer.json()["versions"][0]["valid_to"] is None


async def test_a_closed_unit_matches_no_more_and_opens_again_tomorrow_at_the_earliest(door: Door) -> None:
    assert (await close(door, "units", RECIPIENT, day(0).isoformat())).status_code == 200
    by = await door.citizen()
    assert (await door.grant(by)).status_code == 422
    again = await add(door, "units", RECIPIENT, valid_from=day(0).isoformat())
    assert "tomorrow" in field_errors(again)[0][1]
    assert (await add(door, "units", RECIPIENT)).status_code == 201
    assert (await close(door, "units", TARGET, day(3).isoformat())).status_code == 200
    assert (await close(door, "units", TARGET, None)).json()["versions"][0]["valid_to"] is None


async def test_a_consent_keeps_the_versions_it_was_given_under(door: Door) -> None:
    by = await door.citizen()
    given = (await door.grant(by)).json()["consent"]
    await add(door, "purposes", "KOORDINERING")
    path = f"/v1/citizens/{by.borger_id}/consents/{given['consent_id']}"
    kept = (await door.call("GET", path, by.token)).json()
    assert (kept["purpose_version"], kept["text"]) == (given["purpose_version"], given["text"])


async def test_a_text_gets_the_hash_of_its_words_and_is_what_is_shown(door: Door) -> None:
    view, _ = await seen(door, "texts", "KONTAKT")
    words = view["versions"][-1]["content"]["da"]
    why = "Vi bruger det kun til at finde din sagsbehandler."
    answer = await add(door, "texts", "KONTAKT", da={**words, "why": why})
    assert answer.status_code == 201, answer.text
    new = answer.json()["versions"][-1]
    assert len(new["content"]["sha256"]["da"]) == 64
    assert new["content"]["sha256"] != view["versions"][-1]["content"]["sha256"]
    assert {item["field"] for item in new["readability"]} >= {"da", "label.da"}


HOUSING = ("FORSOERGELSE", "BOLIG", "HUSLEJE_UDSAETTELSE")
REFUSED = [
    ("units", RECIPIENT, {"administration": "BUF"}, "units.administration"),
    ("purposes", "KONTAKT", {"categories": ["KRISECENTER"]}, "categories"),
    ("purposes", "KONTAKT", {"text": "NO_SUCH"}, "text"),
    ("purposes", "BOLIG_FOREBYGGELSE", {"categories": [*HOUSING, "RAADIGHED_SANKTION"]}, "standalone"),
    ("purposes", "KONTAKT", {"label": {"da": "At dele alle oplysninger", "en": "To share"}}, "label.da"),
    ("legal_bases", "GDPR_SAMTYKKE", {"consequence": None}, "consequence"),
    ("policies", "SAMTYKKE", {"own_declaration_age": 5}, "own_declaration_age"),
    ("event_types", "bif.ydelse.stoppet", {"purposes": ["KONTAKT"]}, "purposes"),
]


async def test_what_contradicts_or_asks_for_too_much_is_refused_by_field_and_changes_nothing(door: Door) -> None:
    for kind, code, change, field in REFUSED:
        _, before = await seen(door, kind, code)
        assert field in {name for name, _ in field_errors(await add(door, kind, code, **change))}, (code, change)
        assert (await seen(door, kind, code))[1] == before


async def test_a_refusal_of_the_linter_names_the_rule_and_a_dry_run_says_the_same(door: Door) -> None:
    view, _ = await seen(door, "texts", "KONTAKT")
    newest = view["versions"][-1]
    words = {**newest["content"]["da"], "withdraw": "Ring til os, så sletter vi alle oplysninger om dig."}
    refused = field_errors(await add(door, "texts", "KONTAKT", da=words))
    assert ("da.withdraw", "blanket_consent: asks for more than named kinds of information (R2)") in refused
    body = {
        "kind": "texts",
        "label": newest["label"],
        "source": "2026-0001",
        "legal_basis": "GDPR_SAMTYKKE",
        "valid_from": day(1).isoformat(),
        "da": words,
        "en": newest["content"]["en"],
    }
    dry = (await send(door, "POST", "catalogue:lint", {"code": "KONTAKT", "version": body})).json()
    assert [(item["field"], f"{item['rule']}: {item['reason']}") for item in dry["findings"]] == refused
    assert dry["lix_max"] == 35
    fine = {**body, "da": newest["content"]["da"]}
    dry = (await send(door, "POST", "catalogue:lint", {"code": "KONTAKT", "version": fine})).json()
    assert dry["findings"] == []
    assert all(item["lix"] <= 35 for item in dry["readability"] if item["field"] == "da")


@pytest.mark.parametrize(
    "words", ["   ", "\u200b", "\u202eabc", "a\tb", f"sag {hostile.NUMBER}", "910290\u00a0" + "1234", "x" * 201]
)
async def test_words_that_a_citizen_cannot_read_or_nobody_may_write_are_refused(door: Door, words: str) -> None:
    for change, field in (({"label": {"da": words, "en": "Plan"}}, "label.da"), ({"source": words}, "source")):
        errors = field_errors(await add(door, "categories", "SAGSEKSISTENS", **change))
        assert [name.removeprefix("categories.") for name, _ in errors] == [field]
        assert hostile.NUMBER not in str(errors)


async def test_a_code_or_a_key_that_holds_a_number_is_refused(door: Door) -> None:
    for code in (f"SOF-{hostile.NUMBER}", f"a{hostile.NUMBER}"):
        answer = await send(door, "POST", f"catalogue/units/{code}/versions", UNIT)
        assert answer.status_code in {404, 422}
        assert hostile.NUMBER not in answer.text
    for key in (f"case{hostile.NUMBER}", "case-910290-" + "1234"):
        assert field_errors(await send(door, "POST", "catalogue/units/SOF-NY/versions", UNIT, key=key))
    assert (await send(door, "POST", "catalogue/units/SOF-NY/versions", UNIT, key=str(uuid4()))).status_code == 201


async def test_a_key_answers_once_and_a_tag_is_asked_for(door: Door) -> None:
    first = await send(door, "POST", "catalogue/units/SOF-NY/versions", UNIT, key="same-key-1")
    again = await send(door, "POST", "catalogue/units/SOF-NY/versions", UNIT, key="same-key-1")
    assert (again.status_code, again.json()) == (201, first.json())
    other = {**UNIT, "contact": "anden@sof.example"}
    assert (await send(door, "POST", "catalogue/units/SOF-NY/versions", other, key="same-key-1")).status_code == 409
    ending = {"valid_to": day(5).isoformat()}
    assert (await send(door, "POST", "catalogue/units/SOF-NY:close", ending)).status_code == 428
    assert (await send(door, "POST", "catalogue/units/SOF-NY:close", ending, tag='"old"')).status_code == 412
    assert (await send(door, "POST", "catalogue/units/SOF-X/versions", UNIT, tag='"old"')).status_code == 412
    assert (await send(door, "POST", "catalogue/units/SOF-X:close", ending, tag="*")).status_code == 404


async def test_of_two_changes_at_once_the_second_is_planned_anew_on_the_first(door: Door) -> None:
    sent = (send(door, "POST", f"catalogue/units/SOF-NY-{name}/versions", UNIT) for name in ("A", "B", "C"))
    assert {answer.status_code for answer in await asyncio.gather(*sent)} == {201}
    stored = await door.rows("SELECT kind, body FROM catalogue_entry")
    (revision,) = await door.rows("SELECT revision FROM catalogue_revision")
    raw = [RawEntry(row["kind"], json.loads(row["body"])) for row in stored]
    assert revision["revision"] == build(raw).revision
    assert {"SOF-NY-A", "SOF-NY-B", "SOF-NY-C"} <= {entry.body["code"] for entry in raw}


async def test_lists_are_paged_by_code_and_every_kind_is_there(door: Door) -> None:
    codes: list[str] = []
    cursor = None
    while True:
        query = {"limit": 10, **({"cursor": cursor} if cursor else {})}
        page = (await door.call("GET", "/v1/admin/catalogue/units", ADMIN, params=query)).json()
        codes += [item["code"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert codes == sorted(set(codes))
    assert len(codes) > 30
    for kind in ("categories", "legal_bases", "purposes", "texts", "event_types", "policies", "unit_mappings"):
        assert (await door.call("GET", f"/v1/admin/catalogue/{kind}", ADMIN)).status_code == 200
    assert (await door.call("GET", "/v1/admin/catalogue/citizens", ADMIN)).status_code == 422
    assert (await door.call("GET", "/v1/admin/catalogue/units/NO-SUCH", ADMIN)).status_code == 404


OTHERS = ["dpo", "caseworker", "bridge_builder", "leader", "citizen", "source_system", "operator", "advis", "auditor"]


async def test_nobody_else_administers_and_an_administrator_is_nothing_else(door: Door) -> None:
    for roles in (*((role,) for role in OTHERS), ("administrator", "dpo"), ("administrator", "caseworker")):
        token = issuer.token(*roles, subject="someone")
        assert (await door.call("GET", "/v1/admin/catalogue/units", token)).status_code == 403
        answer = await send(door, "POST", "catalogue/units/SOF-NY/versions", UNIT, token=token)
        assert answer.status_code == 403, roles


async def test_an_administrator_meets_no_citizen(door: Door) -> None:
    by = await door.citizen()
    for path in ("/v1/me", f"/v1/citizens/{by.borger_id}/consents", f"/v1/citizens/{by.borger_id}/uses"):
        assert (await door.call("GET", path, ADMIN)).status_code in {403, 404}


def test_the_development_issuer_knows_one_administrator_and_nobody_with_two_roles() -> None:
    assert [person.username for person in STAFF if person.role == "administrator"] == ["adm1"]
    assert len({person.username for person in STAFF}) == len(STAFF)
    assert not [client for client in CLIENTS if client.role == "administrator"]


async def test_a_mapping_is_recorded_and_the_citizen_sees_it_so(door: Door) -> None:
    by = await door.citizen()
    consent = (await door.grant(by)).json()["consent"]
    mapping = {
        "kind": "unit_mappings",
        "valid_from": day(0).isoformat(),
        "source": "2026-4711",
        "to_unit": TARGET,
        "decided_on": (day(0) - timedelta(days=1)).isoformat(),
        "decided_by": "SOF-DIREKTION",
        "label": {"da": "Voksne er nu en del af Hjemløseenheden", "en": "Adults is now part of Homelessness"},
    }
    path = f"catalogue/unit_mappings/{RECIPIENT}/versions"
    assert field_errors(await send(door, "POST", path, mapping))[0][0] == "valid_from"
    await close(door, "units", RECIPIENT, day(0).isoformat())
    assert (await fence_door.arrive(door, fence_door.event(by.borger_id)))[0]["openings"] == []
    path_of_it = f"/v1/citizens/{by.borger_id}/consents/{consent['consent_id']}"
    unmapped = (await door.call("GET", path_of_it, by.token)).json()["counts_for"]
    assert unmapped == {"holder_unit": "BIF-JOBINDSATS", "recipient_unit": None}
    assert (await send(door, "POST", path, mapping)).status_code == 201
    ((opening,),) = [answer["openings"] for answer in await fence_door.arrive(door, fence_door.event(by.borger_id))]
    assert opening["recipient_unit"] == TARGET
    public = (await door.call("GET", "/v1/catalogue", by.token)).json()
    (shown,) = public["unit_mappings"]
    assert (shown["code"], shown["to_unit"]) == (RECIPIENT, TARGET)
    kept = await door.call("GET", path_of_it, by.token)
    assert kept.json()["recipient_unit"] == RECIPIENT
    assert kept.json()["counts_for"] == {"holder_unit": "BIF-JOBINDSATS", "recipient_unit": TARGET}
    listed = (await door.call("GET", f"/v1/citizens/{by.borger_id}/consents", by.token)).json()["items"]
    assert [item["counts_for"] for item in listed] == [kept.json()["counts_for"]]
