"""The citizen's view in one call: who may learn what, from whom, for what, until when, and what can be done now."""

from fastapi import Response
from starlette.requests import Request

from libs.common.door import Router
from libs.common.problems import NotFoundError
from libs.common.transaction import committed
from services.consent import handlers_overview
from services.consent.api_acting import ActingWithin
from services.consent.api_negotiation import Spoken
from services.consent.overview_view import overview_view
from services.consent.schemas_overview import Overview

router = Router(prefix="/v1/citizens/{borger_id}/overview", tags=["citizens"])


@router.get("")
async def read_overview(request: Request, response: Response, by: ActingWithin, language: Spoken) -> Overview:
    """Everything in force or waiting, in words, with every use; a representative sees what their authority is about."""
    found = await committed(request, lambda session: handlers_overview.read_overview(session, by.actor, by.borger_id))
    if found is None:
        raise NotFoundError
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    return overview_view(found, by, language)
