"""Rows of request items that a new consent takes over."""

from collections.abc import Sequence
from uuid import UUID

from libs.common.database.database import WriteSession, driver
from services.consent.consents.consent import Consent

_HAND_OVER = "UPDATE request_item SET consent_id = $2 WHERE consent_id = ANY($1::uuid[]) AND request_id = $3"


async def hand_over(session: WriteSession, replaced: Sequence[UUID], by: Consent) -> None:
    """Let the consent `by` be the answer that the rows it replaced were waiting to be."""
    if by.request_id is not None and replaced:
        await driver(session).execute(_HAND_OVER, list(replaced), by.consent_id, by.request_id)
