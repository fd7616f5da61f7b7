"""Which pending consent a new declaration continues, and which consents it supersedes."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from services.consent.consents.consent import Consent, Status

_WAITING = frozenset({Status.REQUESTED, Status.PENDING_SIGNATURE})


def continued(running: Iterable[Consent], asked: Consent, now: datetime) -> Consent | None:
    """The row that a yes to `asked` goes on with: the very same that waits for a signature, or what was requested.

    A yes to none of the requested categories is no answer to the request, which goes on waiting.
    """
    waiting = [item for item in running if item.status_at(now) in _WAITING]
    pending = (item for item in waiting if item.status is Status.PENDING_SIGNATURE and item.same_content(asked))
    requested = (item for item in waiting if item.status is Status.REQUESTED and item.categories & asked.categories)
    return next(pending, None) or next(requested, None)


def answered(waiting: Consent, asked: Consent) -> Consent:
    """What is declared on: the pending consent as it is, or the requested one with what was actually said yes to."""
    if waiting.status is Status.PENDING_SIGNATURE:
        return waiting
    return replace(
        asked,
        consent_id=waiting.consent_id,
        requested_at=waiting.requested_at,
        request_id=waiting.request_id,
        answer_by=waiting.answer_by,
        revision=waiting.revision,
    )


def is_replaced(old: Consent, new: Consent, now: datetime) -> bool:
    """Whether a yes ends another row for the same question: one in force only by one in force."""
    if old.status is Status.ACTIVE:
        return new.status is Status.ACTIVE
    unrelated = old.status_at(now) is Status.REQUESTED and not old.categories & new.categories
    return not unrelated


def in_place_of(new: Consent, ended: Iterable[Consent], now: datetime) -> Consent:
    """The yes, as the answer to the request that a row it replaces was waiting to answer."""
    asked = (old for old in ended if old.request_id is not None and old.status_at(now) in _WAITING)
    old = next(asked, None)
    if old is None or new.request_id is not None:
        return new
    return replace(new, request_id=old.request_id, answer_by=old.answer_by)
