"""What a citizen may read about themselves. Every read is on the record too (R20), in its own transaction."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database import WriteSession, clock
from libs.common.outbox import append
from services.consent import records, store_catalogue, store_consents, store_receipts, store_requests, store_use_pages
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.consent import Consent, Status
from services.consent.domain.ending import as_of, months_of
from services.consent.domain.request import Request
from services.consent.records import Actor
from services.consent.store_consents import Revision
from services.consent.store_receipts import StoredReceipt
from services.consent.store_use_pages import UseLine, UsePlace


@dataclass(frozen=True, slots=True)
class Detail:
    """A consent with its history; `now` is what its status is read at."""

    consent: Consent
    history: tuple[Revision, ...]
    now: datetime


async def list_consents(
    session: WriteSession,
    actor: Actor,
    borger_id: UUID,
    *,
    purposes: frozenset[str] | None,
    status: Status | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[tuple[Consent, ...], datetime]:
    """A page, newest first, and the moment its statuses are to be read at. Audited as `consents.listed`.

    `purposes`: of these only; None: of all. The status asked for is the one that is *read*, so an expired consent that
    no job has touched is `expired` here.
    """
    now, catalogue = await clock(session), await store_catalogue.current(session)
    found = await store_consents.page(
        session,
        borger_id,
        status,
        purposes=purposes,
        now=now,
        ceilings=months_of(catalogue, now),
        after=after or (now, _LAST),
        limit=limit,
    )
    await append(session, [records.of_read("consents.listed", actor, subject=borger_id, at=now)])
    return tuple(as_of(consent, catalogue, now) for consent in found), now


_LAST = UUID(int=2**128 - 1)


async def read_consent(
    session: WriteSession, actor: Actor, borger_id: UUID, consent_id: UUID, *, covers: Callable[[str], bool]
) -> Detail | None:
    """One consent with its history, audited as `consent.read`; None when it is not the reader's to see.

    `covers`: whether the reader may see what is for a purpose. What is not shown is not recorded as read.
    """
    consent = await store_consents.find(session, consent_id, borger_id)
    if consent is None or not covers(consent.purpose):
        return None
    now = await clock(session)
    objects = {"consent_id": str(consent_id)}
    await append(session, [records.of_read("consent.read", actor, subject=borger_id, at=now, objects=objects)])
    shown = as_of(consent, await store_catalogue.current(session), now)
    return Detail(shown, await store_consents.history(session, consent_id), now)


async def list_requests(
    session: WriteSession,
    actor: Actor,
    borger_id: UUID,
    *,
    purposes: frozenset[str] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[tuple[Request, ...], Catalogue, datetime]:
    """What the citizen was asked for, newest first, with the words for it, and the moment to read its state at.

    `purposes`: of these only; None: of all. Audited as `requests.listed`.
    """
    now = await clock(session)
    found = await store_requests.page(session, borger_id, purposes=purposes, before=after or (now, _LAST), limit=limit)
    await append(session, [records.of_read("requests.listed", actor, subject=borger_id, at=now)])
    return found, await store_catalogue.current(session), now


async def list_uses(
    session: WriteSession,
    actor: Actor,
    borger_id: UUID,
    *,
    purposes: frozenset[str] | None,
    after: UsePlace | None,
    limit: int,
) -> Sequence[UseLine]:
    """What was told about the citizen, newest first, without any employee's identity. Audited as `uses.listed`.

    `purposes`: of these only; None: of all.
    """
    now = await clock(session)
    found = await store_use_pages.page(session, borger_id, purposes=purposes, after=after, limit=limit)
    await append(session, [records.of_read("uses.listed", actor, subject=borger_id, at=now)])
    return found


async def read_receipt(
    session: WriteSession, actor: Actor, borger_id: UUID, receipt_id: UUID, *, shows: Callable[[StoredReceipt], bool]
) -> tuple[StoredReceipt, Catalogue] | None:
    """One receipt, and the catalogue to tell it with, audited as `receipt.read`; None when it is not the reader's.

    `shows`: whether the reader may see a receipt. What is not shown is not recorded as read.
    """
    stored = await store_receipts.find(session, receipt_id)
    if stored is None or stored.borger_id != borger_id or not shows(stored):
        return None
    objects = {"receipt_id": str(receipt_id)}
    now = await clock(session)
    await append(session, [records.of_read("receipt.read", actor, subject=borger_id, at=now, objects=objects)])
    return stored, await store_catalogue.current(session)


async def list_receipts(
    session: WriteSession,
    actor: Actor,
    borger_id: UUID,
    *,
    actors: Collection[UUID] | None,
    before: int | None,
    limit: int,
) -> Sequence[StoredReceipt]:
    """The citizen's receipts, newest first, below a sequence number. Audited as `receipts.listed`.

    `actors`: of the acts of these and of nobody only; None: of all.
    """
    now = await clock(session)
    found = await store_receipts.page(session, borger_id, actors=actors, before=before, limit=limit)
    await append(session, [records.of_read("receipts.listed", actor, subject=borger_id, at=now)])
    return found
