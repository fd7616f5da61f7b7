"""From the domain's values to the public shapes. What the reader need not know is left out here."""

from datetime import datetime
from uuid import UUID

from services.consent.catalogue.entries import Catalogue
from services.consent.consents.consent import Consent, Declaration
from services.consent.consents.queries import Detail
from services.consent.consents.store import Revision
from services.consent.grants.schemas import ConsentDetail, ConsentView, CountsFor, DeclarationView, RevisionView
from services.consent.http.shapes import TextReference
from services.consent.model.acting import Role


def consent_view(consent: Consent, reader: UUID, *, now: datetime, catalogue: Catalogue | None = None) -> ConsentView:
    """A consent as `reader` may see it at `now`; with a catalogue, for which units it counts then."""
    return ConsentView(
        consent_id=consent.consent_id,
        borger_id=consent.borger_id,
        purpose=consent.purpose,
        purpose_version=consent.purpose_version,
        holder_unit=consent.holder_unit,
        recipient_unit=consent.recipient_unit,
        categories=tuple(sorted(consent.categories)),
        legal_basis=consent.legal_basis,
        text=TextReference(
            code=consent.text_code,
            version=consent.text_version,
            language=consent.language,
            sha256=consent.text_sha256,
        ),
        status=consent.status_at(now).value,
        requested_at=consent.requested_at,
        given_at=consent.given_at,
        valid_from=consent.valid_from,
        valid_until=consent.ends_at,
        ceiling_until=consent.ceiling_until,
        revision=consent.revision,
        closed_reason=None if consent.closed_reason is None else str(consent.closed_reason),
        declarations=tuple(declaration_view(item, reader) for item in consent.declarations),
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
    return DeclarationView(
        role=item.role.value,
        by_you=item.giver == reader,
        method=item.method.value,
        attested_unit=None if others else item.attested_unit,
        assurance=item.assurance,
        at=item.at,
    )


def detail_view(detail: Detail, reader: UUID, catalogue: Catalogue) -> ConsentDetail:
    """A consent with its history."""
    view = consent_view(detail.consent, reader, now=detail.now, catalogue=catalogue)
    fields = {name: getattr(view, name) for name in ConsentView.model_fields}
    return ConsentDetail(**fields, history=tuple(_revision(item) for item in detail.history))


def _revision(item: Revision) -> RevisionView:
    return RevisionView(
        revision=item.revision, at=item.at, status=item.status.value, actor_kind=item.actor_kind, reason=item.reason
    )
