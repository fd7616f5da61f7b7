"""The receipt of a consent: what it says, when one is issued, and which rule set the end."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Literal
from uuid import UUID

from libs.common.database.database import WriteSession
from services.consent.catalogue.entries import Catalogue
from services.consent.consents.audit import scope_of
from services.consent.consents.consent import ClosedReason, Consent
from services.consent.consents.events import ConsentClosed, ConsentExpired, Event
from services.consent.consents.record import _text, record
from services.consent.http.signing import Signer
from services.consent.model.acting import SERVICE
from services.consent.model.calendar import add_months
from services.consent.receipts.issue import issue
from services.consent.receipts.receipt import About, ReceiptAct, ReceiptEvent, ReceiptWords, optional_stamp, stamp
from services.consent.receipts.store import StoredReceipt
from services.consent.scopes.scopes import Changed

EndRule = Literal["legal_ceiling", "municipal_policy", "citizens_choice"]


def about_consent(consent: Consent, words: ReceiptWords, *, supersedes: Collection[UUID] = ()) -> About:
    """A consent at the revision given, told in the language that it was given in.

    `supersedes`: the consents that this one replaces; they end with it and get no receipt of their own.
    """
    told = replace(words, language="en" if consent.language == "en" else "da")
    replaced = {"supersedes": sorted(str(item) for item in supersedes)} if supersedes else {}
    return About(
        kind="consent",
        object_id=consent.consent_id,
        identity={"consent_id": str(consent.consent_id), "revision": consent.revision, **replaced},
        record=record(consent),
        says={
            "purpose": {**told.purpose(consent.purpose), "version": consent.purpose_version},
            "holder": told.unit(consent.holder_unit),
            "recipient": told.unit(consent.recipient_unit),
            "categories": told.categories(consent.categories),
            "legal_basis": told.legal_basis(consent.legal_basis),
            "notice": _text(consent),
            "validity": {
                "from": optional_stamp(consent.valid_from),
                "until": stamp(consent.ends_at),
                "ceiling": stamp(consent.ceiling_until),
                "ceiling_rule": consent.legal_basis,
                "set_by": end_rule(consent, words),
            },
            "status": str(consent.status),
        },
        path=f"/v1/citizens/{consent.borger_id}/consents/{consent.consent_id}:withdraw" if consent.is_open else None,
    )


def end_rule(consent: Consent, words: ReceiptWords) -> EndRule:
    """Which rule set the end: the municipality's own limit (R9), the ceiling of the legal basis, or the citizen.

    Where the first two say the same, it is the municipality's: its limit is never called law (R9).
    """
    policy = words.catalogue.policy(consent.requested_at)
    months = () if policy is None else (policy.consent_months_default, policy.consent_months_max)
    begun = {consent.requested_at, *(item.at for item in consent.declarations)}  # what was asked is answered later
    if consent.ends_at in {add_months(moment, number) for moment in begun for number in months}:
        return "municipal_policy"
    return "legal_ceiling" if consent.ends_at == consent.ceiling_until else "citizens_choice"


async def prove(session: WriteSession, signer: Signer, events: Iterable[Event], changed: Changed) -> None:
    """One receipt for each that ended, in order; none for what was superseded: its successor's receipt names it."""
    for event in events:
        if not isinstance(event, ConsentClosed | ConsentExpired):
            continue
        consent = event.consent
        if consent.closed_reason is ClosedReason.SUPERSEDED:
            continue
        expired = isinstance(event, ConsentExpired)
        act = ReceiptAct(
            ReceiptEvent.EXPIRED if expired else ReceiptEvent.CLOSED,
            SERVICE,
            changed.at,
            reason=None if consent.closed_reason is None else str(consent.closed_reason),
            epoch=changed.epochs[scope_of(consent)],
        )
        await issue_for_consent(session, signer, consent, act=act)


async def issue_for_consent(
    session: WriteSession,
    signer: Signer,
    consent: Consent,
    *,
    act: ReceiptAct,
    receipt_id: UUID | None = None,
    catalogue: Catalogue | None = None,
) -> StoredReceipt:
    """The receipt about a consent at the revision given."""
    return await issue(
        session,
        signer,
        subject=consent.borger_id,
        act=act,
        about=lambda words: about_consent(consent, words),
        receipt_id=receipt_id,
        catalogue=catalogue,
    )
