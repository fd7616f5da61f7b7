"""Everything that is kept about a citizen, to take along (GDPR art. 15, 20): as JSON, or as a PDF to read.

The JSON is sent while it is read, a page at a time, so neither memory nor a transaction grows with the history. The
PDF tells the newest of each list, says so where there is more, and is laid out after all is read.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import Query, Response
from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import StreamingResponse

from libs.common.database.database import ReadSession, WriteSession, clock
from libs.common.database.transaction import committed, looked_up
from libs.common.http.door import Router
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue
from services.consent.citizens.acting import Acting, ActingCitizen
from services.consent.export import wording as export_wording
from services.consent.export.pages import ExportPage, ExportPages
from services.consent.export.schemas import LISTS, Export
from services.consent.http import audit as http_audit
from services.consent.http import pdf
from services.consent.http.negotiation import Accept, Spoken, form_of
from services.consent.http.signing import Signer
from services.consent.model.bilingual import Language
from services.consent.overview.schemas import OverviewContact
from services.consent.receipts.queries import actors_shown_to

router = Router(prefix="/v1/citizens/{borger_id}/export", tags=["citizens"])
FORMS: dict[Literal["json", "pdf"], str] = {"json": "application/json", "pdf": pdf.MEDIA_TYPE}
ExportForm = Annotated[Literal["json", "pdf"] | None, Query(alias="format", description="wins over `Accept`")]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {pdf.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("", response_model=Export, responses=_ANSWERS, summary="Export everything that is held about a citizen")
async def export_citizen_data(
    request: Request, by: ActingCitizen, *, language: Spoken, form: ExportForm = None, accept: Accept = ""
) -> Response:
    """All of it: `Accept` or `?format=` say in which form. The JSON ends with `complete`; without it, it broke off."""
    chosen = form_of(form, accept, FORMS)
    now, catalogue = await committed(request, lambda session: _begun(session, by))
    pages = _pages(request, by, language, now=now, catalogue=catalogue)
    headers = {
        "Content-Disposition": f'attachment; filename="samtykker-{now:%Y-%m-%d}.{chosen}"',
        "Content-Language": language,
        "Vary": "Accept, Accept-Language",
    }
    head = _head(request, by.borger_id, now=now, catalogue=catalogue)
    if chosen == "json":
        return StreamingResponse(_written(head, pages), headers=headers, media_type=FORMS[chosen])
    document = export_wording.told(head, await _newest(pages), catalogue=catalogue, at=now, language=language)
    renderer: pdf.Renderer = request.app.state.renderer
    return Response(await renderer.pdf(document), headers=headers, media_type=FORMS[chosen])


async def _begun(session: WriteSession, by: Acting) -> tuple[datetime, Catalogue]:
    """On the record before anything is read: `export.made`."""
    now = await clock(session)
    await append(session, [http_audit.of_read("export.made", by.actor, subject=by.borger_id, at=now)])
    return now, await catalogue_store.current(session)


def _pages(request: Request, by: Acting, language: Language, *, now: datetime, catalogue: Catalogue) -> ExportPages:
    async def read(work: Callable[[ReadSession], Awaitable[ExportPage]]) -> ExportPage:
        return await looked_up(request, work)

    return ExportPages(
        borger_id=by.borger_id,
        reader=by.giver.borger_id,
        language=language,
        now=now,
        catalogue=catalogue,
        read=read,
        actors=actors_shown_to(by),
    )


def _head(request: Request, borger_id: UUID, *, now: datetime, catalogue: Catalogue) -> dict[str, Any]:
    signer: Signer = request.app.state.signer
    policy = catalogue.policy(now)
    municipality = policy and OverviewContact.of(policy, cvr=policy.controller_cvr).model_dump()
    return {
        "conformsTo": "urn:samtykkebro:export:1",
        "borger_id": str(borger_id),
        "issuer": signer.issuer,
        "generated_at": now.isoformat(),
        "municipality": municipality,
        "accesses": {"token": "POST /v1/me/access-tokens", "entries": "GET /v1/me/entries"},
    }


async def _written(head: dict[str, Any], pages: ExportPages) -> AsyncIterator[bytes]:
    """The document, piece by piece."""
    yield orjson.dumps(head)[:-1]
    for name in LISTS:
        yield b',"%s":[' % name.encode()
        separator = b""
        async for item in pages.of(name):
            yield separator + item.model_dump_json().encode()
            separator = b","
        yield b"]"
    yield b',"complete":true}'


async def _newest(pages: ExportPages) -> dict[str, list[dict[str, Any]]]:
    """The newest of each list as JSON values; one more than is shown, where there is more."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in LISTS:
        found[name] = []
        async for item in pages.of(name):
            found[name].append(jsonable_encoder(item))
            if len(found[name]) > export_wording.SHOWN_MAX:
                break
    return found
