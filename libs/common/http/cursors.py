"""Page cursors: sealed, and bound to who reads, to the list, and to what was asked of it (docs/fence.md).

1. A cursor holds the place after which the next page begins: the key of the last item shown. It is encrypted and
   authenticated (AES-SIV, RFC 5297), so it tells its holder nothing and cannot be made by anybody else. The same place
   in the same list gives its reader the same cursor: a list with hidden items answers byte for byte as one without.
2. The associated data is the issuer, subject, client, unit and roles of the reader, the route with what its path names
   (the person acted for), and the filters. A cursor of another reader, list or filter does not open.
3. Content is padded, so the length of a cursor does not tell which place it holds.
4. The first key of `cursor-keys.json` seals, every key in it opens: a key is retired by leaving it out.

`InvalidError("cursor")`, a 422, is the one answer to a cursor that does not open, whatever the cause.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, TypeVar

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from libs.common.http.auth import Principal
from libs.common.http.problems import InvalidError

CURSOR_CHARS_MAX = 400
KEYS_FILE = "cursor-keys.json"
_MARK = b"mark"  # associated data in two parts: no cursor is a mark
KEY_BYTES = 64  # two keys of 256 bits

_KEY_ID_BYTES, _BLOCK_BYTES = 4, 128  # one block holds every place but that of a long code
_NO_FILTER = frozenset({"cursor", "limit", "language"})  # what changes how a list is shown, not which items are in it
_Place = TypeVar("_Place")


class CursorKeysError(Exception):
    """The file of cursor keys cannot be read, or holds no whole key."""


@dataclass(frozen=True, slots=True)
class CursorKeys:
    """The keys of one service, newest first, by the id that a cursor begins with."""

    keys: dict[bytes, AESSIV] = field(repr=False)

    @classmethod
    def of(cls, keys: Sequence[bytes]) -> Self:
        """From keys of KEY_BYTES each, the sealing one first. Raises CursorKeysError for none or another size."""
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise CursorKeysError(f"cursor keys are {KEY_BYTES} bytes, and there is one at least")
        return cls({sha256(key).digest()[:_KEY_ID_BYTES]: AESSIV(key) for key in keys})

    @classmethod
    def load(cls, secrets_dir: Path) -> Self:
        """From `cursor-keys.json`, `{"keys": [base64, ...]}`. Raises CursorKeysError."""
        try:
            stored = orjson.loads((secrets_dir / KEYS_FILE).read_bytes())["keys"]
            return cls.of([base64.b64decode(key, validate=True) for key in stored])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CursorKeysError(f"{KEYS_FILE} cannot be read: `samtykkebro secrets` makes it") from error

    def seal(self, content: bytes, bound_to: bytes) -> str:
        """`content`, a JSON text, as a cursor that opens only with the same `bound_to`."""
        key_id, key = next(iter(self.keys.items()))
        padded = content.ljust(-(-len(content) // _BLOCK_BYTES) * _BLOCK_BYTES)  # blanks after a JSON text are allowed
        return base64.urlsafe_b64encode(key_id + key.encrypt(padded, [bound_to])).decode().rstrip("=")

    def open(self, cursor: str, bound_to: bytes) -> bytes:
        """The content, with blanks after it. Raises ValueError for a cursor that does not open."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            return self.keys[raw[:_KEY_ID_BYTES]].decrypt(raw[_KEY_ID_BYTES:], [bound_to])
        except (InvalidTag, KeyError, binascii.Error) as error:
            raise ValueError("not a cursor of ours") from error

    def mark(self, facts: bytes) -> bytes:
        """A keyed hash of `facts`: the synthetic IV over them (RFC 5297). A key that is left out checks no mark."""
        key_id, key = next(iter(self.keys.items()))
        return key_id + key.encrypt(b"\0", [_MARK, facts])

    def marked(self, mark: bytes, facts: bytes) -> bool:
        """Whether `mark` was made of these `facts`."""
        try:
            self.keys[mark[:_KEY_ID_BYTES]].decrypt(mark[_KEY_ID_BYTES:], [_MARK, facts])
        except (InvalidTag, KeyError):
            return False
        return True


def sealed(request: Request, place: Sequence[Any], *, asked: object = None) -> str:
    """The cursor after `place`: moments, ids (the driver's own kind too), numbers and words.

    `asked`: what was asked for, where that is not in the query.
    """
    keys: CursorKeys = request.app.state.cursors
    return keys.seal(orjson.dumps(place, default=str), _bound_to(request, asked))


def opened(request: Request, cursor: str, form: TypeAdapter[_Place], *, asked: object = None) -> _Place:
    """The place in a cursor that this reader was given for this list. Raises InvalidError (422) for any other."""
    keys: CursorKeys = request.app.state.cursors
    try:
        return form.validate_json(keys.open(cursor, _bound_to(request, asked)))
    except (ValidationError, ValueError):
        raise InvalidError("cursor", "is not a cursor that you were given for this list") from None


def _bound_to(request: Request, asked: object) -> bytes:
    """The associated data: who reads, which list, and which part of it."""
    reader: Principal = request.state.principal
    filters = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in _NO_FILTER)
    bound = (
        (reader.claims.get("iss"), reader.subject, reader.client_id, reader.unit, sorted(reader.roles)),
        request.headers.get("Acting-Unit"),  # which of their two units a bridge-builder acts in (R37)
        (request.method, request.scope["route"].path, sorted(request.path_params.items())),
        filters,
        asked,
    )
    return orjson.dumps(bound, default=str, option=orjson.OPT_SORT_KEYS)
