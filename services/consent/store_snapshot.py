"""Reads all that decisions about some persons need, in one statement, so that it is one state of the database."""

from collections.abc import Collection
from uuid import UUID

from libs.common.database import Session
from services.consent.domain.snapshot import Snapshot


async def load_snapshot(session: Session, persons: Collection[UUID], *, with_holders: bool = False) -> Snapshot:
    """Everything about the persons, and about their custody holders when `with_holders`, with today's catalogue.

    Who is not among the answer's persons is unknown. Includes each person's scopes with epochs and coverage.
    """
    raise NotImplementedError
