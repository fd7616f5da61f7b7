"""One answer per key (P5): the first request with a key claims it, whoever comes again gets the first one's answer.

The claim is a row inserted in the act's own transaction. A second request waits on it until that transaction ends:
then it finds the answer, or, if the first one failed, an unclaimed key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from libs.common.database import WriteSession
from services.consent.tables import idempotency


class KeyReusedError(Exception):
    """The key was used for another request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request with a key was answered."""

    status: int
    response: dict[str, Any]


async def claim(session: WriteSession, actor: str, key: str, *, request_sha256: str, now: datetime) -> Answer | None:
    """None: the key is ours now. Else the first answer. Raises KeyReusedError when it was for another request."""
    row = {"actor": actor, "key": key, "request_sha256": request_sha256, "created_at": now}
    claimed = insert(idempotency).values(row).on_conflict_do_nothing().returning(idempotency.c.key)
    if (await session.execute(claimed)).first() is not None:
        return None
    mine = (idempotency.c.actor == actor) & (idempotency.c.key == key)
    first = (await session.execute(select(idempotency).where(mine))).one()
    if first.request_sha256 != request_sha256 or first.response is None:
        raise KeyReusedError
    return Answer(first.status, first.response)


async def complete(session: WriteSession, actor: str, key: str, *, status: int, response: Mapping[str, Any]) -> None:
    """Keep the answer for the key that this transaction claimed."""
    mine = (idempotency.c.actor == actor) & (idempotency.c.key == key)
    await session.execute(update(idempotency).where(mine).values(status=status, response=dict(response)))


async def forget(session: WriteSession, older_than: datetime) -> None:
    """Drop keys that nobody will repeat any more."""
    await session.execute(delete(idempotency).where(idempotency.c.created_at < older_than))
