"""What a citizen may read about themselves. Every read is on the record too (R20), in its own transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession, clock
from libs.common.outbox.outbox import append
from services.consent.catalogue import store as catalogue_store
from services.consent.consents import store as consents_store
from services.consent.consents.consent import Consent
from services.consent.consents.ending import as_of
from services.consent.consents.store import Revision
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor


@dataclass(frozen=True, slots=True)
class Detail:
    """A consent with its history; `now` is what its status is read at."""

    consent: Consent
    history: tuple[Revision, ...]
    now: datetime


async def read_consent(
    session: WriteSession, actor: Actor, borger_id: UUID, consent_id: UUID, *, covers: Callable[[str], bool]
) -> Detail | None:
    """One consent with its history, audited as `consent.read`; None when it is not the reader's to see.

    `covers`: whether the reader may see what is for a purpose. What is not shown is not recorded as read.
    """
    consent = await consents_store.find(session, consent_id, borger_id)
    if consent is None or not covers(consent.purpose):
        return None
    now = await clock(session)
    objects = {"consent_id": str(consent_id)}
    await append(session, [http_audit.of_read("consent.read", actor, subject=borger_id, at=now, objects=objects)])
    shown = as_of(consent, await catalogue_store.current(session), now)
    return Detail(shown, await consents_store.history(session, consent_id), now)
