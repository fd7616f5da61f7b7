"""The credential of one incarnation of one process: `<holder id>.<secret>`, as a bearer token.

It names its holder, so a holder acquires and settles for itself only. That the holder still lives is not asked here but
under the lock, in the acquire's own transaction.
"""

import secrets
from hmac import compare_digest
from uuid import UUID

from fastapi.openapi.models import HTTPBearer
from starlette.requests import Request

from libs.common.database.transaction import looked_up
from libs.common.http.auth import Gate, bearer, require
from libs.common.http.problems import UnauthenticatedError
from libs.common.wire.identifiers import parse_uuid
from services.consent.fence.holders import digest
from services.consent.fence.holders_store import read_credential

SECRET_BYTES = 32
FAULT = "The credential is not that of a registered holder."


def new_secret() -> str:
    """The secret half of a credential: 256 bits of chance."""
    return secrets.token_urlsafe(SECRET_BYTES)


def token_of(holder_id: UUID, secret: str) -> str:
    """The credential as the holder sends it."""
    return f"{holder_id}.{secret}"


class HolderToken(Gate):
    """Gate: the id of the holder that calls. 401 without a credential that holds."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="the credential that its supervisor was given for this incarnation")
        self.scheme_name = "holderToken"

    async def admit(self, request: Request) -> UUID:
        """The holder's id, its secret checked in constant time."""
        token = bearer(request)
        if token is None:
            raise UnauthenticatedError
        holder_id, secret = _parts(token)
        expected = await looked_up(request, lambda session: read_credential(session, holder_id))
        if not compare_digest(digest(secret), expected or b""):
            raise UnauthenticatedError(FAULT)
        return holder_id


class HolderOrAdvis(HolderToken):
    """Gate for what permits nothing: a holder, or `advis` with its own access token."""

    async def admit(self, request: Request) -> UUID:  # the id is not used; an access token has none
        """Let either in. 401 or 403 for anybody else."""
        if (bearer(request) or "").count(".") == 1:
            return await super().admit(request)
        await _ADVIS.admit(request)
        return UUID(int=0)


_ADVIS = require("advis")


def _parts(token: str) -> tuple[UUID, str]:
    name, _, secret = token.partition(".")
    try:
        return parse_uuid(name), secret
    except ValueError:
        raise UnauthenticatedError(FAULT) from None
