"""What a change is asked for with: its key, how patient its caller is, and the `ETag` that it was made from.

`Idempotency-Key`: one key is one request; with another it is a 409, and repeated it answers as it did. `Prefer`: RFC
7240. `If-Match`: RFC 9110 §13.1.1.
"""

from hashlib import sha256
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from libs.common.http.problems import PreconditionError, PreconditionRequiredError
from services.consent.http.shapes import IdempotencyKey

Key = Annotated[IdempotencyKey, Header(alias="Idempotency-Key")]
OptionalKey = Annotated[IdempotencyKey | None, Header(alias="Idempotency-Key")]
Prefer = Annotated[str, Header(max_length=200, description="`respond-async`: do not wait (RFC 7240)")]
IfMatch = Annotated[str | None, Header(max_length=200, description="the `ETag` of what is to be changed, or `*`")]


def etag_of(view: BaseModel) -> str:
    """A strong tag of exactly what the reader sees: what is hidden from them does not change it."""
    return f'"{sha256(view.model_dump_json().encode()).hexdigest()[:32]}"'


def check_match(if_match: str | None, etag: str) -> None:
    """Raises PreconditionRequiredError without the header, PreconditionError when it names another state."""
    if if_match is None:
        raise PreconditionRequiredError("Send If-Match with the ETag of what you have read.")
    tags = {tag.strip() for tag in if_match.split(",")}
    if not tags & {etag, "*"}:
        raise PreconditionError
