"""Everything about a citizen to take along: whole, in a documented form, without any employee, however long it is."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jsonschema
import pypdf
import pytest

from libs.cli.verifying.receipt_chain import verify_chain
from openapi.applications import applications
from services.consent.catalogue.labels import digest
from services.consent.export import pages as export_pages
from services.consent.export.schemas import LISTS, Export
from services.consent.export.wording import HEADINGS, LEAD, MORE, NOTHING, SHOWN_MAX, WHERE, told
from tests.consent.citizens.test_family import family
from tests.consent.overview.test_overview import used
from tests.consent.world import issuer
from tests.consent.world.door import KEY, Citizen, Door
from tests.consent.world.examples import the_catalogue
from tests.consent.world.staff import authorised


async def exported(door: Door, by: Citizen, about: Citizen | None = None, query: str = "") -> Any:
    path = f"/v1/citizens/{(about or by).borger_id}/export{query}"
    answer = await door.call("GET", path, by.token)
    assert answer.status_code == 200, answer.text
    return answer


async def a_history(door: Door) -> Citizen:
    """A little of everything."""
    peter = await door.citizen()
    await door.grant(peter)
    consent = (await door.grant(peter, language="en")).json()["consent"]["consent_id"]
    await used(door, peter, consent)
    path = f"/v1/citizens/{peter.borger_id}"
    no = {"purpose": "KOORDINERING", "recipient_unit": "SOF-BCH"}
    await door.call("POST", f"{path}/refusals", peter.token, json=no, headers={KEY: uuid4().hex})
    await door.call("POST", f"{path}/consents/{consent}:withdraw", peter.token)
    await authorised(door, peter, await door.citizen())
    return peter


async def test_it_is_whole_and_every_part_is_what_the_citizen_can_read_elsewhere(door: Door):
    peter = await a_history(door)
    found = (await exported(door, peter)).json()
    assert found["complete"] is True
    for name in ("consents", "receipts", "uses", "refusals", "notices"):
        page = (await door.call("GET", f"/v1/citizens/{peter.borger_id}/{name}?limit=200", peter.token)).json()
        assert page["next"] is None
        assert len(found[name]) == len(page["items"]), name
        for kept, shown in zip(found[name], page["items"], strict=True):
            common = kept.keys() & shown.keys()
            assert shown.keys() - common <= {"borger_id"}
            assert {field: kept[field] for field in common} == {field: shown[field] for field in common}, name
    assert [len(found[name]) for name in ("consents", "uses", "refusals", "representatives")] == [2, 1, 1, 1]


async def test_it_keeps_every_revision_and_the_words_that_were_shown(door: Door):
    found = (await exported(door, await a_history(door))).json()
    newest, oldest = found["consents"]
    assert [item["status"] for item in newest["history"]] == ["active", "withdrawn"]
    assert [item["status"] for item in oldest["history"]] == ["active", "closed"]
    assert newest["history"][0]["categories"] == ["BESKAEFTIGELSESFORLOEB", "FREMMOEDE"]
    texts = {text["language"]: text for text in found["texts"]}
    assert set(texts) == {"da", "en"}
    assert all(digest(text["words"]) == text["sha256"] for text in texts.values())
    assert {item["text"]["sha256"] for item in found["consents"]} == {text["sha256"] for text in texts.values()}


async def test_its_receipts_verify_as_one_chain(door: Door):
    answer = await exported(door, await a_history(door))
    keys = (await door.call("GET", "/.well-known/jwks.json")).json()
    chain = verify_chain(answer.text, keys)
    assert [held.content["event"] for held in chain][:4] == ["given", "renewed", "refused", "withdrawn"]


async def test_it_is_in_the_form_that_is_published(door: Door):
    found = (await exported(door, await a_history(door))).json()
    Export.model_validate(found)
    document = applications()["consent"].openapi()
    schema = {"$ref": "#/components/schemas/Export", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(found)
    assert set(LISTS) < set(document["components"]["schemas"]["Export"]["properties"])


async def test_no_employee_and_no_number_is_in_it(door: Door):
    peter = await a_history(door)
    text = (await exported(door, peter)).text
    assert peter.cpr not in text
    assert "sof101" not in text
    assert "sof102" not in text


async def test_one_parents_export_does_not_tell_who_the_other_is(door: Door):
    home = await family(door)
    wish = {
        "purpose": "FAMILIEINDSATS",
        "holder_unit": "SOF-BCH",
        "recipient_unit": "BIF-JOBINDSATS",
        "categories": ["BARN_SAG"],
        "affirmed_special": ["BARN_SAG"],
    }
    await door.grant(home.father, home.child.borger_id, **wish)
    found = (await exported(door, home.mother, home.child)).json()
    assert str(home.father.borger_id) not in json.dumps({**found, "receipts": []})
    [declaration] = found["consents"][0]["declarations"]
    assert (declaration["by_you"], declaration["role"]) == (False, "custody_holder")


async def test_a_long_history_is_read_a_page_at_a_time_and_nothing_is_lost_or_told_twice(
    door: Door, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export_pages, "PAGE", 3)
    peter = await door.citizen()
    consent = (await door.grant(peter)).json()["consent"]["consent_id"]
    now = datetime.now(UTC)
    for number in range(7):
        await used(door, peter, consent, at=now - timedelta(minutes=number))
    for _ in range(6):
        await door.grant(peter)
    reads = []
    looked = export_pages.ExportPages.PAGES["uses"]

    async def counted(pages: Any, after: Any, session: Any) -> Any:
        reads.append(session)
        return await looked(pages, after, session)

    monkeypatch.setitem(export_pages.ExportPages.PAGES, "uses", counted)
    found = (await exported(door, peter)).json()
    assert [len(found[name]) for name in ("consents", "uses", "receipts")] == [7, 7, 7]
    assert len({item["consent_id"] for item in found["consents"]}) == 7
    assert len(reads) == len(set(map(id, reads))) == 3


async def test_it_is_saved_as_a_file_and_is_on_the_record_once(door: Door):
    peter = await door.citizen()
    answer = await exported(door, peter)
    today = datetime.now(UTC).date().isoformat()
    assert answer.headers["content-disposition"] == f'attachment; filename="samtykker-{today}.json"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    made = [entry for _, entry in await door.told("audit.entries") if entry["type"] == "export.made"]
    assert len(made) == 1


@pytest.mark.parametrize(("query", "language"), [("?format=pdf", "da"), ("?format=pdf&language=en", "en")])
async def test_as_a_pdf_it_can_be_read_by_anyone(door: Door, query: str, language: str):
    peter = await a_history(door)
    answer = await exported(door, peter, query=query)
    reader = pypdf.PdfReader(io.BytesIO(answer.content))
    words = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    root = reader.trailer["/Root"]
    assert root["/Lang"] == answer.headers["content-language"] == language
    assert "<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_object().get_data().decode()
    for heading in HEADINGS.values():
        assert heading.get("en" if language == "en" else "da") in words
    assert LEAD.get("en" if language == "en" else "da") in words
    assert ("Borgercenter Voksne" if language == "da" else "Citizen Centre for Adults") in words
    assert "sof101" not in words
    assert {"da", "en"} <= {
        element["/Lang"] for element in _elements(root["/StructTreeRoot"]) if "/Lang" in element
    } | {language}


def _elements(node: Any) -> Iterator[Any]:
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from _elements(child)
    elif isinstance(node, dict):
        yield node
        if "/K" in node:
            yield from _elements(node["/K"])


def test_a_pdf_that_tells_only_the_newest_says_so():
    refusal = {"recorded_at": "2026-11-22T10:00:00Z", "lifted_at": None, "recipient_unit": None, "purpose": None}
    head = {"municipality": None}
    lists: dict[str, list[Any]] = {name: [] for name in LISTS}
    now = datetime(2026, 11, 22, tzinfo=UTC)
    for number, note in ((SHOWN_MAX, ()), (SHOWN_MAX + 1, (MORE.da,))):
        lists["refusals"] = [refusal] * number
        document = told(head, lists, catalogue=the_catalogue(), at=now, language="da")
        [section] = [item for item in document.sections if item.heading == HEADINGS["refusals"].da]
        assert (len(section.rows), section.paragraphs) == (SHOWN_MAX, note)
        assert section.rows[0][2:] == ("Alle enheder", "Alle grunde")


@pytest.mark.parametrize("words", [LEAD, MORE, NOTHING, WHERE])
def test_its_sentences_are_in_both_languages(words: Any):
    assert words.da.endswith(".")
    assert words.en.endswith(".")
    assert words.da != words.en


async def test_nobody_else_takes_it(door: Door):
    peter, anna = await door.citizen(), await door.citizen()
    await authorised(door, peter, anna, purposes=["KOORDINERING"])
    path = f"/v1/citizens/{peter.borger_id}/export"
    answers = [
        await door.call("GET", path, anna.token),
        await door.call("GET", path, (await door.citizen()).token),
        await door.call("GET", path, issuer.token("caseworker", unit="SOF-BCV", acr="Substantial")),
        await door.call("GET", path, issuer.token("dpo")),
        await door.call("GET", path),
        await door.call("GET", path, peter.token, headers={"Accept": "text/csv"}),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 403, 403, 401, 406]
    assert not [entry for _, entry in await door.told("audit.entries") if entry["type"] == "export.made"]
