"""When a consent ends by time alone, as the law stands today (P6, R9).

1. It ends at the earliest of what the givers chose, the ceiling that its legal basis had when it was given, and the
   ceiling that the basis has *today*: a law that grows stricter wins over what was typed in, one that grows milder
   gives nothing that was not agreed to.
2. The decision, every status that is shown and the job that writes endings down read the same end from here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from services.consent.catalogue.entries import Catalogue, LegalBasis
from services.consent.consents.consent import Consent, Status
from services.consent.model.calendar import add_months

_CLAMPED_DAYS_MAX = 3  # 28, 29, 30 and 31 January are all one month before 28 February


class Cutoff(NamedTuple):
    """What was given at `given_until` or earlier, on this basis, has reached the basis's ceiling."""

    legal_basis: str
    given_until: datetime


def ceiling(consent: Consent, law: LegalBasis) -> datetime | None:
    """The end that the basis sets today; None where it sets none, or nothing has been given yet."""
    if law.ceiling_months is None or consent.given_at is None:
        return None
    return add_months(consent.given_at.astimezone(UTC), law.ceiling_months)


def as_of(consent: Consent, catalogue: Catalogue, now: datetime) -> Consent:
    """The consent with today's ceiling: what is to be shown, never what is to be stored."""
    law = catalogue.legal_basis(consent.legal_basis, now)
    today = None if law is None else ceiling(consent, law)
    return consent if today is None else replace(consent, ceiling_until=min(consent.ceiling_until, today))


def status_at(consent: Consent, catalogue: Catalogue, now: datetime) -> Status:
    """The status as it is read at `now` under today's ceiling: what the decision goes by."""
    return as_of(consent, catalogue, now).status_at(now)


def cutoffs(catalogue: Catalogue, now: datetime) -> Iterator[Cutoff]:
    """For each basis with a ceiling in force at `now`: until when what has reached it at `now` was given."""
    for code in catalogue.legal_bases:
        law = catalogue.legal_basis(code, now)
        if law is not None and law.ceiling_months is not None:
            yield Cutoff(code, _given_until(now.astimezone(UTC), law.ceiling_months))


def _given_until(now: datetime, months: int) -> datetime:
    """The latest moment from which so many months have passed at `now`; exact at the ends of short months."""
    earliest = add_months(now, -months)
    candidates = (earliest + timedelta(days=days) for days in range(_CLAMPED_DAYS_MAX, 0, -1))
    return next((moment for moment in candidates if add_months(moment, months) <= now), earliest)


def months_of(catalogue: Catalogue, now: datetime) -> Mapping[str, int]:
    """Each basis's ceiling in force at `now`, in months."""
    laws = (catalogue.legal_basis(code, now) for code in catalogue.legal_bases)
    return {law.code: law.ceiling_months for law in laws if law is not None and law.ceiling_months is not None}
