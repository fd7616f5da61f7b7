"""A receipt that a person can keep: tagged, with a title and a language, in plain words, with the proof inside it."""

import asyncio
import io
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pypdf
import pytest

from libs.common.http.problems import UnavailableError
from services.consent.consents.consent import ClosedReason, Status
from services.consent.http import pdf
from services.consent.http.signing import fingerprint
from services.consent.model import plain_words
from services.consent.model.acting import Method, Role
from services.consent.model.bilingual import Bilingual, Language
from services.consent.model.document import Document, Section
from services.consent.receipts.receipt import ReceiptEvent
from services.consent.receipts.wording import told
from tests.consent.world.door import Citizen, Door
from tests.consent.world.examples import NOW, a_signer
from tests.consent.world.receipt_examples import KINDS, WORDS, receipt_of
from tests.waiting import until


def document_of(kind: str, language: Language) -> Document:
    content = receipt_of(kind)
    jws = a_signer().receipt(content)
    return told(content, jws=jws, sha256=fingerprint(jws.encode()), catalogue=WORDS.catalogue, language=language)


def opened(content: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(content))


def words_of(reader: pypdf.PdfReader) -> str:
    """All text, without the line breaks of the layout."""
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def tags(node: Any) -> Iterator[str]:
    """The structure elements in reading order."""
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from tags(child)
    elif isinstance(node, dict):
        if "/S" in node:
            yield node["/S"]
        if "/K" in node:
            yield from tags(node["/K"])


# The document


@pytest.mark.parametrize("language", ["da", "en"])
def test_it_is_a_tagged_document_with_a_title_a_language_and_the_mark_of_its_standards(language: Language):
    reader = opened(pdf.rendered(document_of("given", language)))
    root = reader.trailer["/Root"]
    said = root["/Metadata"].get_object().get_data().decode()
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == language
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata.title == document_of("given", language).title
    assert "<pdfuaid:part>1</pdfuaid:part>" in said
    assert "<pdfaid:part>3</pdfaid:part>" in said
    order = list(tags(root["/StructTreeRoot"]))
    assert order[:2] == ["/Document", "/Title"]
    assert order.count("/H1") == 5
    assert order.count("/Lbl") == order.count("/LBody") > 10
    assert all(font["/FontDescriptor"] for font in _fonts(reader))


def _fonts(reader: pypdf.PdfReader) -> list[Any]:
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    return [font["/DescendantFonts"][0].get_object() for font in fonts]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["da", "en"])
def test_every_kind_of_receipt_can_be_told_in_both_languages(kind: str, language: Language):
    document = document_of(kind, language)
    facts = dict(fact for section in document.sections for fact in section.facts)
    assert all(value and "None" not in value for value in facts.values())
    purpose = plain_words.TERMS[plain_words.Term.PURPOSE].get(language)
    assert facts[purpose] == f"KOORDINERING {'på dansk' if language == 'da' else 'in English'}"


def test_the_page_says_who_what_why_until_when_how_and_how_to_take_it_back():
    words = words_of(opened(pdf.rendered(document_of("given_by_telephone", "da"))))
    for expected in (
        "Kvittering 3",
        "Hvem får noget at vide: SOF-BCV",
        "Hvad: FREMMOEDE på dansk",
        "Hvorfor: KOORDINERING på dansk",
        "Til: 18. september 2027 (valgt af den, der sagde ja)",
        "I telefonen (høj sikkerhed)",
        "Skrevet ned af: BIF-JOBINDSATS",
        "Her kan du klage: Datatilsynet",
        "consents/00000000-0000-4000-",
        fingerprint(a_signer().receipt(receipt_of("given_by_telephone")).encode()),
    ):
        assert expected in words


def test_what_ended_tells_no_way_to_take_it_back():
    words = words_of(opened(pdf.rendered(document_of("withdrawn", "en"))))
    assert "There is nothing you need to do." in words
    assert ":withdraw" not in words


def test_the_signed_receipt_lies_in_the_document_to_the_byte():
    reader = opened(pdf.rendered(document_of("refused", "da")))
    jws = a_signer().receipt(receipt_of("refused"))
    assert dict(reader.attachments) == {"receipt-3.jws": [jws.encode()]}


def test_words_are_shown_as_they_stand_and_never_read_as_markup():
    odd = '#panic("no") *bold* $x$ = not a heading \\ "quoted" <label> @ref'
    document = Document("da", odd, odd, odd, NOW, (Section(odd, (odd,), ((odd, odd),), (odd,), ((odd,),)),))
    assert words_of(opened(pdf.rendered(document))).count("*bold*") == 8


def test_the_same_document_is_the_same_file():
    assert pdf.rendered(document_of("given", "da")) == pdf.rendered(document_of("given", "da"))


async def test_whoever_gets_no_turn_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf, "WAIT_SECONDS", 0.01)
    renderer = pdf.Renderer()
    for _ in range(pdf.RENDERERS_MAX):
        await renderer._turn.acquire()
    with pytest.raises(UnavailableError):
        await renderer.pdf(document_of("given", "da"))
    renderer._turn.release()
    assert (await renderer.pdf(document_of("given", "da"))).startswith(b"%PDF")


# The words


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (ReceiptEvent, plain_words.EVENTS),
        (Status, plain_words.STATUSES),
        (ClosedReason, plain_words.REASONS),
        (Role, plain_words.ROLES),
        (Method, plain_words.METHODS),
        (plain_words.Term, plain_words.TERMS),
    ],
)
def test_every_code_has_words(codes: Any, words: Any):
    assert {str(code) for code in codes} <= {str(code) for code in words}


def lix(text: str) -> float:
    """The readability index: words to a sentence, and the share of words of more than six letters."""
    words = text.replace(".", " ").replace(",", " ").replace(":", " ").split()
    sentences = max(1, sum(text.count(mark) for mark in ".:?!"))
    return len(words) / sentences + 100 * sum(len(word) > 6 for word in words) / len(words)


def _sentences() -> dict[str, Bilingual]:
    told_events = {event: said.sentence for event, said in plain_words.EVENTS.items()}
    terms = {str(term): words for term, words in plain_words.TERMS.items() if words.da.endswith((".", ":"))}
    return {**told_events, **terms}


@pytest.mark.parametrize("language", ["da", "en"])
def test_the_sentences_are_easy_to_read(language: Language):
    text = " ".join(words.get(language) for words in _sentences().values())
    assert lix(text) <= 35


# Over HTTP


async def a_receipt(door: Door, who: Citizen) -> dict[str, Any]:
    await door.grant(who)
    page = (await door.call("GET", f"/v1/citizens/{who.borger_id}/receipts", who.token)).json()
    return {**page["items"][0], "path": f"/v1/citizens/{who.borger_id}/receipts/{page['items'][0]['receipt_id']}"}


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("", "", "application/json"),
        ("", "*/*", "application/json"),
        ("", "application/pdf", "application/pdf"),
        ("", "text/html, application/pdf;q=0.5, application/json;q=0.1", "application/pdf"),
        ("", "application/jose", "application/jose"),
        ("", "application/*;q=0.2", "application/json"),
        ("?format=pdf", "application/json", "application/pdf"),
        ("?format=jws", "", "application/jose"),
    ],
)
async def test_it_comes_in_the_form_that_was_asked_for(door: Door, query: str, accept: str, media_type: str):
    peter = await door.citizen()
    receipt = await a_receipt(door, peter)
    headers = {"Accept": accept} if accept else {}
    answer = await door.call("GET", receipt["path"] + query, peter.token, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type), answer.text
    assert answer.headers["cache-control"] == "no-store"
    if media_type == "application/json":
        assert answer.json()["jws"] == receipt["jws"]
    elif media_type == "application/jose":
        assert answer.text == receipt["jws"]
    else:
        assert opened(answer.content).trailer["/Root"]["/Lang"] == answer.headers["content-language"] == "da"
        assert answer.headers["content-disposition"] == 'attachment; filename="receipt-1.pdf"'


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", "en-GB, da;q=0.8", "en"),
        ("", "fr, de;q=0.9", "da"),
        ("", "en;q=0, da", "da"),
        ("&language=en", "da", "en"),
        ("&language=da", "en", "da"),
    ],
)
async def test_it_speaks_the_language_that_was_asked_for(door: Door, query: str, header: str, language: str):
    peter = await door.citizen()
    receipt = await a_receipt(door, peter)
    path = f"{receipt['path']}?format=pdf{query}"
    answer = await door.call("GET", path, peter.token, headers={"Accept-Language": header})
    assert opened(answer.content).trailer["/Root"]["/Lang"] == answer.headers["content-language"] == language


async def test_what_we_do_not_have_and_what_is_not_yours_is_refused(door: Door):
    peter, morten = await door.citizen(), await door.citizen()
    receipt = await a_receipt(door, peter)
    image = await door.call("GET", receipt["path"], peter.token, headers={"Accept": "image/png"})
    assert (image.status_code, image.headers["content-type"]) == (406, "application/problem+json")
    unknown = receipt["path"].replace(receipt["receipt_id"], str(uuid4()))
    others = receipt["path"].replace(str(peter.borger_id), str(morten.borger_id))
    answers = [
        await door.call("GET", receipt["path"], morten.token),
        await door.call("GET", unknown, peter.token),
        await door.call("GET", others, morten.token),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert len({answer.content for answer in answers}) == 1


async def test_reading_it_is_on_the_record_once(door: Door):
    peter = await door.citizen()
    receipt = await a_receipt(door, peter)
    await door.call("GET", f"{receipt['path']}?format=pdf", peter.token)
    reads = [entry for kind, entry in await door.told("audit.entries") if entry["type"] == "receipt.read"]
    assert [entry["objects"]["receipt_id"] for entry in reads] == [receipt["receipt_id"]]


def test_the_receipts_of_one_kind_differ_only_where_they_must():
    """A reader who compares two pages finds the same headings in the same order."""
    headings = [[section.heading for section in document_of(kind, "da").sections] for kind in KINDS]
    assert all(one == other for one, other in pairwise(headings))


async def test_a_request_that_is_cancelled_does_not_let_one_more_be_laid_out(monkeypatch: pytest.MonkeyPatch):
    may_end, at_work = threading.Event(), []

    def slow(document: object) -> bytes:
        at_work.append(document)
        may_end.wait(30)
        return b""

    monkeypatch.setattr(pdf, "rendered", slow)
    monkeypatch.setattr(pdf, "WAIT_SECONDS", 0.2)
    renderer, document = pdf.Renderer(), document_of(next(iter(KINDS)), "da")
    callers = [asyncio.ensure_future(renderer.pdf(document)) for _ in range(pdf.RENDERERS_MAX)]

    async def all_begun() -> bool:
        return len(at_work) == pdf.RENDERERS_MAX

    await until(all_begun)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    try:
        with pytest.raises(UnavailableError):
            await renderer.pdf(document)
        assert len(at_work) == pdf.RENDERERS_MAX
    finally:
        may_end.set()

    async def free() -> bool:
        return await renderer.pdf(document) == b""

    await until(free)
