"""One receipt: as JSON, as the signed receipt itself, or as a PDF to keep, which a screen reader can read."""

from functools import partial
from typing import Any, Literal
from uuid import UUID

from fastapi import Response
from pydantic import TypeAdapter
from starlette.requests import Request

from libs.common.database.transaction import committed
from libs.common.http.door import Router
from libs.common.http.problems import NotFoundError
from libs.common.wire.values import Moment
from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.acting import ActingCitizen
from services.consent.http import pdf
from services.consent.http.negotiation import Accept, Form, Spoken, form_of
from services.consent.http.pages import Page, PageOf, listed
from services.consent.http.shapes import Answer
from services.consent.http.signing import Signer, content_of, fingerprint
from services.consent.model.bilingual import Language
from services.consent.receipts import queries as receipts_queries
from services.consent.receipts import store as receipts_store
from services.consent.receipts import wording as receipts_wording
from services.consent.receipts.queries import actors_shown_to, may_read
from services.consent.receipts.store import StoredReceipt

router = Router(prefix="/v1/citizens/{borger_id}/receipts", tags=["citizens"])
keys_router = Router(tags=["catalogue"])
SEQUENCE: TypeAdapter[tuple[int]] = TypeAdapter(tuple[int])
FORMS: dict[Literal["json", "jws", "pdf"], str] = {
    "json": "application/json",
    "jws": receipts_wording.MEDIA_TYPE,
    "pdf": pdf.MEDIA_TYPE,
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: _FILE for form, media_type in FORMS.items() if form != "json"}}
}


class ReceiptView(Answer):
    """A receipt as it was issued; `jws` is compact and verifiable with `/.well-known/jwks.json`."""

    receipt_id: UUID
    sequence: int
    event: str
    consent_id: UUID | None
    issued_at: Moment
    jws: str


class ReceiptPage(PageOf[ReceiptView]):
    """Newest first."""


@router.get("/{receipt_id}", response_model=ReceiptView, responses=_ANSWERS, summary="Read a receipt")
async def read_receipt(
    request: Request,
    by: ActingCitizen,
    receipt_id: UUID,
    *,
    language: Spoken,
    form: Form = None,
    accept: Accept = "",
) -> Response:
    """A receipt in the form asked for by `Accept` or `?format=`; the PDF in the language asked for."""
    chosen = form_of(form, accept, FORMS)
    found = await committed(
        request,
        lambda session: receipts_queries.read_receipt(
            session, by.actor, by.borger_id, receipt_id, shows=partial(may_read, by)
        ),
    )
    if found is None:
        raise NotFoundError
    stored, catalogue = found
    headers = {"Vary": "Accept, Accept-Language"}
    if chosen == "json":
        return Response(ReceiptView.of(stored).model_dump_json(), headers=headers, media_type=FORMS[chosen])
    headers["Content-Disposition"] = f'attachment; filename="receipt-{stored.sequence}.{chosen}"'
    if chosen == "jws":
        return Response(stored.jws, headers=headers, media_type=FORMS[chosen])
    headers["Content-Language"] = language
    content = await _pdf(request, stored, catalogue, language)
    return Response(content, headers=headers, media_type=FORMS[chosen])


async def _pdf(request: Request, stored: StoredReceipt, catalogue: Catalogue, language: Language) -> bytes:
    """Laid out after the transaction, so that nothing waits for it."""
    renderer: pdf.Renderer = request.app.state.renderer
    document = receipts_wording.told(
        content_of(stored.jws),
        jws=stored.jws,
        sha256=fingerprint(stored.jws.encode()),
        catalogue=catalogue,
        language=language,
    )
    return await renderer.pdf(document)


@keys_router.get("/.well-known/jwks.json", summary="Read the public keys of receipts and citizen tokens")
async def read_signing_keys(request: Request) -> dict[str, Any]:
    """The public keys that receipts and the citizen's tokens are verified with, retired ones too."""
    signer: Signer = request.app.state.signer
    return signer.jwks()


@router.get("", summary="List a citizen's receipts")
async def list_receipts(request: Request, by: ActingCitizen, page: Page) -> ReceiptPage:
    """Every receipt, newest first (P5); a parent reads in the child's chain what the other parent did not do."""
    place = page.place(SEQUENCE)
    found = await listed(
        request,
        "receipts.listed",
        by,
        lambda session, _: receipts_store.page(
            session, by.borger_id, actors=actors_shown_to(by), before=place and place[0], limit=page.wanted
        ),
    )
    return ReceiptPage.cut(found, page, view=ReceiptView.of, key=lambda item: (item.sequence,), name="receipts")
