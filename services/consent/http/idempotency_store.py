"""One answer per key (P5): the first request with a key claims it, whoever comes again gets the first one's answer.

The claim is a row inserted in the act's own transaction. A second request waits on it until that transaction ends:
then it finds the answer, or, if the first one failed, an unclaimed key.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from libs.common.database.database import Session, WriteSession, clock, driver

_CLAIM = """
INSERT INTO idempotency (actor, key, request_sha256, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true
"""
_FIRST = "SELECT request_sha256, status, response FROM idempotency WHERE actor = $1 AND key = $2"
_COMPLETE = "UPDATE idempotency SET status = $3, response = $4 WHERE actor = $1 AND key = $2"


class KeyReusedError(Exception):
    """The key was used for another request."""


@dataclass(frozen=True, slots=True)
class ActKey:
    """Whose key it is, the key if there is one, and what it stands for: the act and what it is about."""

    owner: str
    key: str | None
    content: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request with a key was answered."""

    status: int
    response: dict[str, Any]


async def claim(
    session: WriteSession, actor: str, key: str, *, request_sha256: str, now: datetime, alike: Collection[str] = ()
) -> Answer | None:
    """None: the key is ours now. Else the first answer. Raises KeyReusedError when it was for another request.

    `alike`: other digests of the same request, as under the keys that were in use before.
    """
    if await driver(session).fetchval(_CLAIM, actor, key, request_sha256, now):
        return None
    first = await driver(session).fetchrow(_FIRST, actor, key)
    if first["request_sha256"] not in {request_sha256, *alike} or first["response"] is None:
        raise KeyReusedError
    return Answer(first["status"], first["response"])


async def answered(session: Session, actor: str, key: str, *, request_sha256: str) -> Answer | None:
    """What a key was answered before, without claiming it. Raises KeyReusedError when it was for another request."""
    first = await driver(session).fetchrow(_FIRST, actor, key)
    if first is None:
        return None
    if first["request_sha256"] != request_sha256 or first["response"] is None:
        raise KeyReusedError
    return Answer(first["status"], first["response"])


async def stand_for(session: WriteSession, key: ActKey) -> None:
    """Let the key stand for an act that answers the same whenever it is repeated. Nothing without a key.

    Raises KeyReusedError when it was for another request.
    """
    if key.key is None:
        return
    now, digest = await clock(session), sha256(key.content.encode()).hexdigest()
    if await claim(session, key.owner, key.key, request_sha256=digest, now=now) is None:
        await complete(session, key.owner, key.key, status=200, response={})


async def complete(session: WriteSession, actor: str, key: str, *, status: int, response: Mapping[str, Any]) -> None:
    """Keep the answer for the key that this transaction claimed."""
    await driver(session).execute(_COMPLETE, actor, key, status, orjson.dumps(response).decode())
