"""OpenID AuthZEN Authorization API 1.0: opinions about now, for gateways and units' systems (`docs/asking.md`).

1. An answer is yes or no. An unknown citizen, unit, code or form, somebody else's business and a missing consent are
   the same no, to the byte (R1, P2).
2. An answer leaves after the entry about it is committed, never before (R20).
3. It permits nothing. To disclose takes a permit, at the instant of disclosing (`docs/fence.md`).
"""

from typing import Annotated, Any

import orjson
from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from libs.common.database.transaction import committed
from libs.common.http.auth import Principal, require
from libs.common.http.door import JSON, Router
from libs.common.http.problems import MissingRightError
from libs.common.service.document import body_of
from services.consent.access import requests as access_requests
from services.consent.access.evaluate import Caller, evaluate
from services.consent.access.questions import Asker, Opinion, Semantic
from services.consent.access.requests import Evaluations
from services.consent.access.schemas import (
    AccessDecision,
    AccessDecisions,
    EvaluationRequest,
    EvaluationsRequest,
    Metadata,
)
from services.consent.decision.snapshot import Question
from services.consent.http.callers import actor_of
from services.consent.settings import Settings

EVALUATIONS_BYTES_MAX = 512 * 1024
GATEWAY = "gateway"  # asks for every unit
OF_A_UNIT = ("caseworker", "recipient_system", "source_system")  # each asks about the unit in its token
BAD_REQUEST: dict[int | str, dict[str, Any]] = {
    400: {"description": "Not a request that the standard describes; the problem document names the field"}
}
_YES, _NO = b'{"decision":true}', b'{"decision":false}'
_STOPPED = b'{"decision":false,"context":{"code":"200","reason":"deny_on_first_deny"}}'

router = Router(tags=["access"], responses=BAD_REQUEST)


async def caller_of(request: Request, principal: Annotated[Principal, Depends(require(GATEWAY, *OF_A_UNIT))]) -> Caller:
    """Who asks. 403 for a token that names no unit and is not a gateway's: it has nothing to ask about."""
    role = next(role for role in (GATEWAY, *OF_A_UNIT) if role in principal.roles)
    unit = None if role == GATEWAY else principal.unit
    if unit is None and role != GATEWAY:
        raise MissingRightError("The token names no unit.")
    name = principal.subject if role == "caseworker" else principal.client_id
    return Caller(Asker(unit), actor_of(request, name, role, unit=unit))


AskedBy = Annotated[Caller, Depends(caller_of)]


@router.post(
    "/access/v1/evaluation",
    response_model=AccessDecision,
    openapi_extra=body_of({JSON: EvaluationRequest}),
    summary="Evaluate one access question",
)
async def evaluate_access(request: Request, caller: AskedBy) -> Response:
    """May this unit receive this about this citizen, for this purpose, now?"""
    question = access_requests.evaluation(await access_requests.document(request))
    return await _single(request, caller, question)


@router.post(
    "/access/v1/evaluations",
    response_model=AccessDecisions,
    openapi_extra=body_of({JSON: EvaluationsRequest}),
    max_body_size=EVALUATIONS_BYTES_MAX,
    summary="Evaluate several access questions",
)
async def evaluate_access_batch(request: Request, caller: AskedBy) -> Response:
    """Several questions in one call, with defaults, and the three semantics of the standard."""
    body = await access_requests.document(request)
    asked = access_requests.evaluations(body)
    if asked is None:
        return await _single(request, caller, access_requests.evaluation(body))
    answers = await committed(request, lambda session: evaluate(session, caller, asked.questions, asked.semantic))
    return _json(b'{"evaluations":[' + b",".join(_decisions(asked, answers)) + b"]}")


@router.get(
    "/.well-known/authzen-configuration",
    responses={400: {"description": "never"}},
    summary="Read the metadata of the policy decision point",
)
async def read_access_metadata(request: Request) -> Metadata:
    """Where this decision point answers what. Open to all: it says nothing about anybody."""
    settings: Settings = request.app.state.settings
    here = settings.issuer
    return Metadata(
        policy_decision_point=here,
        access_evaluation_endpoint=f"{here}/access/v1/evaluation",
        access_evaluations_endpoint=f"{here}/access/v1/evaluations",
        search_subject_endpoint=f"{here}/access/v1/search/subject",
        search_resource_endpoint=f"{here}/access/v1/search/resource",
        search_action_endpoint=f"{here}/access/v1/search/action",
    )


async def _single(request: Request, caller: Caller, question: Question | None) -> Response:
    (answer,) = await committed(request, lambda session: evaluate(session, caller, [question], Semantic.EXECUTE_ALL))
    return _json(_YES if answer.permitted else _NO)


def _decisions(asked: Evaluations, answers: list[Opinion]) -> list[bytes]:
    """Each answer as it is sent. What a question lacked is said, since the asker wrote it; why it is a no is not."""
    shown = [_YES if answer.permitted else _NO for answer in answers]
    if asked.semantic is Semantic.DENY_ON_FIRST_DENY and not answers[-1].permitted:
        shown[-1] = _STOPPED
    for place, message in asked.failed.items():
        if place < len(shown):
            error = {"status": 400, "message": message}
            shown[place] = orjson.dumps({"decision": False, "context": {"error": error}})
    return shown


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
