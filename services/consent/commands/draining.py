"""How an act that ended something is answered: once nothing older is in flight, or with where to ask (`docs/fence.md`).

For acts that are answered with their own record, not with a withdrawal: authorities and attested acts.
"""

from typing import Any

from fastapi import Response
from pydantic import BaseModel
from starlette.requests import Request

from libs.common.database.database import Database
from libs.common.database.transaction import available
from services.consent.drains import drain
from services.consent.drains.store import Withdrawal
from services.consent.settings import Settings

RETRY_AFTER_S = 1  # how soon to ask again whether it is drained


async def is_drained(request: Request, withdrawal: Withdrawal | None, prefer: str = "respond-async") -> bool:
    """Whether nothing older is in flight: waited for, or with `respond-async` looked at once, now."""
    if withdrawal is None:
        return True
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    limits = drain.limits_of(settings)
    with available():
        if "respond-async" in {word.strip().lower() for word in prefer.split(",")}:
            return await drain.look(database, withdrawal, limits)
        done = await drain.drain(database, withdrawal, limits)
        request.app.state.bell.ring()
        return done


def answered(view: BaseModel, *, status: int, path: str, drained: bool, etag: str | None = None) -> Response:
    """The record; `202` with its address while something older is in flight."""
    headers: dict[str, Any] = {} if etag is None else {"ETag": etag}
    if not drained:
        headers |= {"Location": path, "Retry-After": str(RETRY_AFTER_S)}
    return Response(view.model_dump_json(), status if drained else 202, headers, "application/json")
