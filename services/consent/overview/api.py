"""The citizen's view in one call: who may learn what, from whom, for what, until when, and what can be done now."""

from fastapi import Response
from starlette.requests import Request

from libs.common.database.transaction import committed
from libs.common.http.door import Router
from libs.common.http.problems import NotFoundError
from services.consent.citizens.acting import ActingWithin
from services.consent.http.negotiation import Spoken
from services.consent.overview import read as overview_read
from services.consent.overview.schemas import Overview
from services.consent.overview.views import overview_view

router = Router(prefix="/v1/citizens/{borger_id}/overview", tags=["citizens"])


@router.get("", summary="Read a citizen's overview")
async def read_overview(request: Request, response: Response, by: ActingWithin, language: Spoken) -> Overview:
    """Everything in force or waiting, in words, with every use; a representative sees what their authority is about."""
    found = await committed(request, lambda session: overview_read.read_overview(session, by.actor, by.borger_id))
    if found is None:
        raise NotFoundError
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    return overview_view(found, by, language)
