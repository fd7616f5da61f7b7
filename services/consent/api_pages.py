"""Page cursors: opaque to the caller, carrying the last key of the page before, refused when they are not ours."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import TypeAdapter, ValidationError

from libs.common.problems import InvalidError
from libs.common.values import DECIMAL, Moment

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="items in a page"), DECIMAL]
Cursor = Annotated[str | None, Query(max_length=300, description="`next` of the page before")]

MOMENT_AND_ID: TypeAdapter[tuple[datetime, UUID]] = TypeAdapter(tuple[Moment, UUID])
MOMENT_ID_AND_WORD: TypeAdapter[tuple[datetime, UUID, str]] = TypeAdapter(tuple[Moment, UUID, str])
SEQUENCE: TypeAdapter[tuple[int]] = TypeAdapter(tuple[int])


def written(*key: Any) -> str:
    """The cursor after a key of moments, ids (the driver's own kind too), numbers and words."""
    return base64.urlsafe_b64encode(orjson.dumps(key, default=str)).decode().rstrip("=")


def read(cursor: str, form: TypeAdapter[Any]) -> Any:
    """The key in a cursor, in the form given. 422 when it is not one."""
    try:
        return form.validate_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValidationError, ValueError, binascii.Error):
        raise InvalidError("cursor", "is not a cursor of this list") from None
