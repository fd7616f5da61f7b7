"""From the domain's values to the public shapes. What the reader need not know is left out here."""

from datetime import datetime
from uuid import UUID

from services.consent.catalogue.entries import Catalogue
from services.consent.consents.consent import Consent, Declaration
from services.consent.consents.queries import Detail
from services.consent.grants.schemas import ConsentDetail, ConsentView, CountsFor, DeclarationView
from services.consent.http.shapes import TextReference
from services.consent.model.acting import Role


def consent_view(consent: Consent, reader: UUID, *, now: datetime, catalogue: Catalogue | None = None) -> ConsentView:
    """A consent as `reader` may see it at `now`; with a catalogue, for which units it counts then."""
    return ConsentView.of(
        consent,
        text=TextReference.of(consent),
        status=consent.status_at(now),
        valid_until=consent.ends_at,
        declarations=[declaration_view(item, reader) for item in consent.declarations],
        counts_for=None if catalogue is None else _counts_for(consent, catalogue, now),
    )


def _counts_for(consent: Consent, catalogue: Catalogue, now: datetime) -> CountsFor | None:
    holder, recipient = (catalogue.counts_as(unit, now) for unit in (consent.holder_unit, consent.recipient_unit))
    if (holder, recipient) == (consent.holder_unit, consent.recipient_unit):
        return None
    return CountsFor(holder_unit=holder, recipient_unit=recipient)


def declaration_view(item: Declaration, reader: UUID) -> DeclarationView:
    """Not who: one parent must not learn of the other through the child's consents (R34).

    Nor which unit heard them, where somebody must not learn where they stay (R34).
    """
    others = item.role is Role.CUSTODY_HOLDER and item.giver != reader
    unit = None if others else item.attested_unit
    return DeclarationView.of(item, by_you=item.giver == reader, attested_unit=unit)


def detail_view(detail: Detail, reader: UUID, catalogue: Catalogue) -> ConsentDetail:
    """A consent with its history."""
    view = consent_view(detail.consent, reader, now=detail.now, catalogue=catalogue)
    return ConsentDetail.of(view, history=detail.history)
