"""One receipt: as JSON, as the signed receipt itself, or as a PDF to keep, which a screen reader can read."""

from functools import partial
from typing import Any, Literal
from uuid import UUID

from fastapi import Response
from starlette.requests import Request

from libs.common.door import Router
from libs.common.problems import NotFoundError
from libs.common.transaction import committed
from services.consent import handlers_views, pdf
from services.consent.api_acting import ActingCitizen
from services.consent.api_negotiation import Accept, Form, Spoken, form_of
from services.consent.api_views import receipt_view
from services.consent.domain import receipt_words
from services.consent.domain.catalogue import Catalogue, Language
from services.consent.reading import may_read
from services.consent.receipts import content_of, fingerprint
from services.consent.schemas import ReceiptView
from services.consent.store_receipts import StoredReceipt

router = Router(prefix="/v1/citizens/{borger_id}/receipts", tags=["citizens"])
FORMS: dict[Literal["json", "jws", "pdf"], str] = {
    "json": "application/json",
    "jws": receipt_words.MEDIA_TYPE,
    "pdf": pdf.MEDIA_TYPE,
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: _FILE for form, media_type in FORMS.items() if form != "json"}}
}


@router.get("/{receipt_id}", response_model=ReceiptView, responses=_ANSWERS)
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
        lambda session: handlers_views.read_receipt(
            session, by.actor, by.borger_id, receipt_id, shows=partial(may_read, by)
        ),
    )
    if found is None:
        raise NotFoundError
    stored, catalogue = found
    headers = {"Vary": "Accept, Accept-Language"}
    if chosen == "json":
        return Response(receipt_view(stored).model_dump_json(), headers=headers, media_type=FORMS[chosen])
    headers["Content-Disposition"] = f'attachment; filename="receipt-{stored.sequence}.{chosen}"'
    if chosen == "jws":
        return Response(stored.jws, headers=headers, media_type=FORMS[chosen])
    headers["Content-Language"] = language
    content = await _pdf(request, stored, catalogue, language)
    return Response(content, headers=headers, media_type=FORMS[chosen])


async def _pdf(request: Request, stored: StoredReceipt, catalogue: Catalogue, language: Language) -> bytes:
    """Laid out after the transaction, so that nothing waits for it."""
    renderer: pdf.Renderer = request.app.state.renderer
    document = receipt_words.told(
        content_of(stored.jws),
        jws=stored.jws,
        sha256=fingerprint(stored.jws.encode()),
        catalogue=catalogue,
        language=language,
    )
    return await renderer.pdf(document)
