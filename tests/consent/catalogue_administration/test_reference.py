"""Reference data: what ships is consistent, covers the story, reads easily; each contradiction is refused by name."""

import re
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.database.database import Database
from services.consent.catalogue.form import RawEntry, build, revision_of
from services.consent.catalogue.labels import body
from services.consent.catalogue.readability import LIX_MAX, lix
from services.consent.catalogue_administration.files import read
from services.consent.catalogue_administration.loading import load, merged, prepare
from services.consent.model.errors import CatalogueError
from tests import hostile
from tests.consent.world.examples import NOW, REFERENCE, the_catalogue
from tests.servers import TestDatabase

RAW = read(REFERENCE)[0]
TODAY, END = NOW.date(), "2027-06-01"

STORY = [  # the four citizens of the demo: purpose, holder, recipient, categories
    ("KOORDINERING", "BIF-JOBINDSATS", "SOF-BCV", {"BESKAEFTIGELSESFORLOEB", "FREMMOEDE"}),
    ("KOORDINERING", "SOF-BCV", "BIF-JOBINDSATS", {"SOCIAL_STOETTE"}),
    ("KOORDINERING", "SOF-RUSMIDDEL", "BIF-KANTEN", {"RUSMIDDEL"}),
    ("BEHANDLING_FASTHOLDELSE", "SOF-RUSMIDDEL", "BIF-KANTEN", {"RUSMIDDEL"}),
    ("FAMILIEINDSATS", "SOF-BCH", "BIF-JOBINDSATS", {"BARN_SAG", "SAGSEKSISTENS"}),
    ("BOLIG_FOREBYGGELSE", "BIF-YDELSE", "SOF-BOLIGRAADGIVNING", {"FORSOERGELSE"}),
]


@pytest.mark.parametrize(("purpose", "holder", "recipient", "categories"), STORY)
def test_what_the_story_asks_for_is_offered(purpose: str, holder: str, recipient: str, categories: set[str]):
    found = the_catalogue().purpose(purpose, NOW)
    assert found is not None
    assert (holder, recipient) in {(offer.holder, offer.recipient) for offer in found.between}
    assert categories <= set(found.categories)


def test_every_entry_has_both_languages_and_a_source():
    for entry in RAW:
        assert all(entry.body["label"][language].strip() for language in ("da", "en")), entry.body["code"]
        assert re.match(r"^(00[0-4]:[0-9]+|R[0-9]+)$", entry.body["source"]), entry.body["code"]


def words(language: str, code: str) -> str:
    text = the_catalogue().text(code, NOW)
    assert text is not None
    law = the_catalogue().legal_basis(text.legal_basis, NOW)
    assert law is not None
    assert law.consequence is not None
    return body(text, law.consequence, "da" if language == "da" else "en")


@pytest.mark.parametrize("code", sorted(the_catalogue().texts))
def test_a_consent_text_is_easy_to_read_in_danish(code: str):
    assert lix(words("da", code)) <= LIX_MAX


@pytest.mark.parametrize("code", sorted(the_catalogue().texts))
def test_a_consent_text_says_who_what_why_how_long_and_how_to_stop(code: str):
    for language, said in (
        ("da", ("Københavns Kommune", "følsomt", "bruger det", "12 måneder", "sige stop", "Datatilsynet", "sige nej")),
        ("en", ("Copenhagen", "sensitive", "use it", "12 months", "say stop", "Data Protection Agency", "say no")),
    ):
        plain = {"følsomt", "sensitive"} if code == "SANKTION_STOETTE" else set()  # its one category is not special
        assert not [part for part in said if part not in words(language, code) and part not in plain]


def test_each_text_says_the_consequence_of_its_own_legal_basis_and_of_no_other():
    for code in the_catalogue().texts:
        benefits = "betydning for din ydelse" in words("da", code)
        by_law = "retssikkerhedsloven § 11 b" in words("da", code)
        assert (benefits, by_law) == ((False, True) if code in {"AFKLARING", "RAADIGHEDSVURDERING"} else (True, False))


def test_the_availability_text_names_the_risk():
    assert "sanktion" in words("da", "RAADIGHEDSVURDERING")
    assert "sanction" in words("en", "RAADIGHEDSVURDERING")


def test_refuge_stays_child_assessments_and_offences_are_not_offered():
    never = {"KRISECENTER", "BARN_UNDERSOEGELSE", "STRAFBARE_FORHOLD"}
    for purposes in the_catalogue().purposes.values():
        assert not never & set(purposes[-1].categories)


def test_subscriptions_name_what_exists():
    catalogue = the_catalogue()
    for entry in yaml.safe_load((REFERENCE / "subscriptions.yaml").read_text(encoding="utf-8")):
        assert any(fnmatchcase(unit, entry["unit"]) for unit in catalogue.units)
        for pattern in entry["event_types"]:
            assert any(fnmatchcase(code, pattern) for code in catalogue.event_types)


# Each contradiction is refused, and the message says where it is


def revealed(category: str, role: str = "citizen") -> dict[str, str]:
    return {"role": role, "category": category}


def changed(kind: str, code: str, /, **changes: Any) -> list[RawEntry]:
    made = deepcopy(RAW)
    entry = next(item for item in made if item.kind == kind and item.body["code"] == code)
    entry.body.update(changes)
    return made


def beside(kind: str, code: str, **changes: Any) -> list[RawEntry]:
    """Another version of an entry."""
    entry = next(item for item in RAW if item.kind == kind and item.body["code"] == code)
    return [*deepcopy(RAW), RawEntry(kind, {**deepcopy(entry.body), **changes})]


LAW = {"provision": "x", "consequence": None, "ceiling_months": None, "needs_consent": False}
AWAY = {"da": "x", "en": "x"}
REFUSED = [
    ("units", "SOF-BCV", {"administration": "BUF"}, "administration"),
    ("units", "SOF-BCV", {"label": {"da": "Voksne"}}, "label.en"),
    ("units", "SOF-BCV", {"colour": "red"}, "colour"),
    ("units", "SOF-BCV", {"valid_from": "someday"}, "valid_from"),
    ("units", "SOF-BCV", {"valid_to": "2023-01-01"}, "valid_to"),
    ("categories", "FREMMOEDE", {"sensitivity": "HEMMELIG"}, "sensitivity"),
    ("categories", "FREMMOEDE", {"special": "art6"}, "special"),
    ("categories", "KRISECENTER", {"selectable": True}, "selectable"),
    ("legal_bases", "GDPR_SAMTYKKE", {"consequence": None}, "consequence"),
    ("legal_bases", "GDPR_SAMTYKKE", {"ceiling_months": None}, "ceiling_months"),
    ("legal_bases", "GDPR_SAMTYKKE", {"ceiling_months": 0}, "ceiling_months"),
    ("legal_bases", "RSL_11C", {"consequence": AWAY}, "consequence"),
    ("legal_bases", "RSL_11C", {"code": "SSD"}, "code"),
    ("texts", "KONTAKT", {"legal_basis": "LOV"}, "legal_basis"),
    ("texts", "KONTAKT", {"legal_basis": "RSL_11C"}, "legal_basis"),
    ("texts", "KONTAKT", {"sha256": {"da": "0" * 64, "en": "0" * 64}}, "sha256.da"),
    ("purposes", "KONTAKT", {"legal_basis": "LOV"}, "legal_basis"),
    ("purposes", "KONTAKT", {"legal_basis": "FVL_29"}, "text"),
    ("purposes", "KONTAKT", {"text": "KONTROL"}, "text"),
    ("purposes", "KONTAKT", {"categories": []}, "categories"),
    ("purposes", "KONTAKT", {"categories": ["ALT"]}, "categories"),
    ("purposes", "KONTAKT", {"categories": ["KRISECENTER"]}, "categories"),
    ("purposes", "AFKLARING", {"categories": ["FORSOERGELSE"]}, "categories"),
    ("purposes", "KONTAKT", {"between": []}, "between"),
    ("purposes", "KONTAKT", {"between": [{"holder": "X", "recipient": "SOF-BCV"}]}, "between.holder"),
    ("purposes", "KONTAKT", {"between": [{"holder": "SOF-BCV", "recipient": "X"}]}, "between.recipient"),
    ("purposes", "KONTAKT", {"between": [{"holder": "SOF-BCV", "recipient": "SOF-BCV"}]}, "between.recipient"),
    ("purposes", "RAADIGHEDSVURDERING", {"standalone": False}, "standalone"),
    ("purposes", "KONTAKT", {"standalone": True, "text": "KOORDINERING"}, "text"),
    ("event_types", "bif.ydelse.stoppet", {"category": None}, "category"),
    ("event_types", "bif.ydelse.stoppet", {"purposes": []}, "purposes"),
    ("event_types", "bif.ydelse.stoppet", {"purposes": ["KONTROL"]}, "purposes"),
    ("event_types", "bif.ydelse.stoppet", {"purposes": ["KONTAKT"]}, "purposes"),
    ("event_types", "bif.ydelse.stoppet", {"reveals": []}, "reveals"),
    ("event_types", "bif.ydelse.stoppet", {"category": "ALT", "reveals": [revealed("ALT")]}, "reveals"),
    ("event_types", "bif.ydelse.stoppet", {"reveals": [revealed("FORSOERGELSE")] * 2}, "reveals"),
    ("event_types", "bif.ydelse.stoppet", {"reveals": [revealed("FORSOERGELSE", "child")]}, "purposes"),
    ("event_types", "bif.sag.lukket", {"purposes": ["KONTAKT"]}, "lifecycle"),
    ("policies", "SAMTYKKE", {"own_declaration_age": 9}, "own_declaration_age"),
    ("policies", "SAMTYKKE", {"consent_months_default": 13}, "consent_months_default"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code", "change", "field"), REFUSED)
def test_a_contradiction_is_refused_by_file_entry_and_field(kind: str, code: str, change: dict, field: str):
    with pytest.raises(CatalogueError) as refused:
        build(changed(kind, code, **change))
    error = refused.value
    assert (error.file, error.field) == (f"{kind}.yaml", field)
    assert error.entry.startswith(change.get("code", code))
    assert str(error) == f"{error.file}: {error.entry}: {error.field}: {error.problem}"


@pytest.mark.parametrize("field", ["code", "version", "label", "valid_from", "source", "contact"])
def test_a_missing_field_is_refused_by_name(field: str):
    made = deepcopy(RAW)
    del made[0].body[field]
    with pytest.raises(CatalogueError) as refused:
        build(made)
    assert (refused.value.file, refused.value.field) == ("units.yaml", field)


def test_two_versions_may_follow_each_other_but_not_overlap_or_share_a_number():
    day = "2027-01-01"
    following = [
        *(item for item in changed("units", "SOF-BCV", valid_to=day)),
        RawEntry("units", {**deepcopy(the_unit().body), "version": 2, "valid_from": day}),
    ]
    catalogue = build(following)
    assert [unit.version for unit in catalogue.units["SOF-BCV"]] == [1, 2]
    for change, field in (({"version": 2, "valid_from": day}, "valid_from"), ({}, "version")):
        with pytest.raises(CatalogueError) as refused:
            build(beside("units", "SOF-BCV", **change))
        assert refused.value.field == field


def the_unit() -> RawEntry:
    return next(item for item in RAW if item.body["code"] == "SOF-BCV")


def test_without_a_policy_there_is_no_catalogue():
    with pytest.raises(CatalogueError, match=r"policies\.yaml"):
        build([item for item in RAW if item.kind != "policies"])


@pytest.mark.parametrize("content", ["a: 1", "- 1", "{", ""])
def test_a_file_that_is_no_list_of_entries_is_refused_by_name(tmp_path: Path, content: str):
    for path in REFERENCE.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "categories.yaml").write_text(content)
    with pytest.raises(CatalogueError, match=r"^categories\.yaml"):
        read(tmp_path)


# Published versions do not change


@pytest.mark.parametrize(
    "change", [{"label": {"da": "Andet", "en": "Other"}}, {"contact": "x"}, {"valid_from": "2024-02-01"}]
)
def test_a_published_version_does_not_change(change: dict):
    with pytest.raises(CatalogueError, match="was published and has changed"):
        merged(RAW, changed("units", "SOF-BCV", **change), TODAY)


def test_the_document_that_a_published_version_rests_on_may_be_corrected():
    corrected = merged(RAW, changed("units", "SOF-BCV", source="R36"), TODAY)
    assert [entry.body["source"] for entry in corrected if entry.body["code"] == "SOF-BCV"] == ["R36"]


def test_a_published_version_does_not_disappear_but_may_get_an_end():
    with pytest.raises(CatalogueError, match="is missing"):
        merged(RAW, [item for item in RAW if item.body["code"] != "SOF-BCV"], TODAY)
    merged(RAW, changed("units", "SOF-BCV", valid_to="2027-01-01"), TODAY)


def test_an_end_that_has_passed_stays_so_that_no_gap_is_hidden():
    for end, again in (("2026-11-01", None), ("2026-11-22", "2027-01-01")):
        with pytest.raises(CatalogueError, match="has passed and stays"):
            merged(changed("units", "SOF-BCV", valid_to=end), changed("units", "SOF-BCV", valid_to=again), TODAY)
    merged(changed("units", "SOF-BCV", valid_to="2026-11-23"), RAW, TODAY)


def test_files_never_touch_what_an_administrator_made():
    made = replace(the_unit(), body={**the_unit().body, "code": "SOF-NY"}, origin="api")
    assert made in merged([*RAW, made], RAW, TODAY)
    with pytest.raises(CatalogueError, match="made through the administration"):
        merged([*RAW, made], [*RAW, replace(made, origin="file")], TODAY)


def test_files_never_touch_an_end_that_an_administrator_set():
    closed = [replace(item, ended=item.body["code"] == "SOF-BCV") for item in changed("units", "SOF-BCV", valid_to=END)]
    kept = next(item for item in merged(closed, RAW, TODAY) if item.body["code"] == "SOF-BCV")
    assert (kept.body["valid_to"], kept.ended) == (END, True)
    assert merged(closed, changed("units", "SOF-BCV", valid_to=END), TODAY)
    with pytest.raises(CatalogueError, match="to another day"):
        merged(closed, changed("units", "SOF-BCV", valid_to="2028-01-01"), TODAY)


@pytest.mark.parametrize("words", ["   ", "\u200b", "\u202eabc", "a\nb", "a\x00b", "Bi\u0301f", *hostile.NUMBERS])
@pytest.mark.parametrize(("kind", "field"), [("units", "contact"), ("units", "label.en"), ("legal_bases", "provision")])
def test_a_files_new_words_are_checked_as_an_administrators_and_stored_ones_stay(kind: str, field: str, words: str):
    code = next(item.body["code"] for item in RAW if item.kind == kind)
    outer, _, inner = field.partition(".")
    was = next(item for item in RAW if (item.kind, item.body["code"]) == (kind, code)).body[outer]
    strange = changed(kind, code, **{outer: {**was, inner: words} if inner else words})
    with pytest.raises(CatalogueError) as refused:
        merged([], strange, TODAY)
    assert (refused.value.field, refused.value.file) == (field, f"{kind}.yaml")
    assert words not in str(refused.value)
    assert merged(strange, strange, TODAY)


def test_the_revision_stands_for_the_content_whatever_its_order():
    assert revision_of(RAW[::-1]) == revision_of(RAW) == the_catalogue().revision
    assert revision_of(changed("units", "SOF-BCV", valid_to="2027-01-01")) != revision_of(RAW)
    assert 0 < revision_of(RAW) < 2**63


async def test_loading_is_repeatable_and_refuses_what_contradicts_what_was_published(
    consent_database: TestDatabase, tmp_path: Path
):
    database = Database(consent_database.owner_url, application_name="test", pool_size=1)

    async def loaded(folder: Path) -> None:
        raw, _ = read(folder)
        async with database.read() as session:
            prepared = await prepare(session, raw)
        async with database.write() as session:
            await load(session, prepared)

    try:
        await loaded(REFERENCE)
        for path in REFERENCE.glob("*.yaml"):
            content = path.read_text(encoding="utf-8").replace("voksne@sof.example", "andre@sof.example")
            (tmp_path / path.name).write_text(content, encoding="utf-8")
        with pytest.raises(CatalogueError, match=r"units\.yaml: SOF-BCV v1: contact"):
            await loaded(tmp_path)
    finally:
        await database.close()


def test_a_closed_unit_is_unknown_from_the_day_it_closes():
    catalogue = build(changed("units", "SOF-BCV", valid_to=(NOW.date() + timedelta(days=1)).isoformat()))
    assert catalogue.unit("SOF-BCV", NOW) is not None
    assert catalogue.unit("SOF-BCV", NOW + timedelta(days=1)) is None
    assert date.fromisoformat("2024-01-01") == catalogue.units["SOF-BCV"][0].valid_from


@pytest.mark.parametrize(
    ("kind", "was", "says", "field"),
    [
        ("units", "valid_from: 2024-01-01", f"valid_from: {day!r}", "valid_from")
        for day in hostile.DAYS
        if isinstance(day, str | int)
    ]
    + [
        ("units", "valid_to: null", "valid_to: 9999-12-31", "valid_to"),
        ("units", "version: 1", "version: '1'", "version"),
        ("units", "version: 1", "version: true", "version"),
        ("purposes", "standalone: true", "standalone: yes", "standalone"),
        ("purposes", "standalone: true", "standalone: 1", "standalone"),
        ("units", "version: 1", "version: 1\n  version: 1", "content"),
    ],
)
def test_a_file_is_read_in_the_types_that_it_says(kind: str, was: str, says: str, field: str, tmp_path: Path):
    for path in REFERENCE.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (REFERENCE / f"{kind}.yaml").read_text(encoding="utf-8")
    assert was in text
    (tmp_path / f"{kind}.yaml").write_text(text.replace(was, says, 1), encoding="utf-8")
    with pytest.raises(CatalogueError) as refused:
        read(tmp_path)
    assert (refused.value.file, refused.value.field) == (f"{kind}.yaml", field)


def test_a_file_that_an_editor_began_with_a_byte_order_mark_is_the_same_file(tmp_path: Path):
    for path in REFERENCE.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(tmp_path)[1].revision == read(REFERENCE)[1].revision
