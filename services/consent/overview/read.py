"""Everything that a citizen needs to see and to act on, read in one transaction and audited once (R20)."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import append
from libs.common.wire.identifiers import LAST
from services.consent.citizens import authorities_store
from services.consent.citizens.authority import Authority
from services.consent.consents import store as consents_store
from services.consent.consents.consent import Consent
from services.consent.decision.snapshot import Person, Snapshot
from services.consent.decision.store import load_now
from services.consent.http import audit as http_audit
from services.consent.http.audit import Actor
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice
from services.consent.overview import store as overview_store
from services.consent.overview.store import Uses
from services.consent.requests import store as requests_store
from services.consent.requests.request import Request, State

SHOWN_MAX = 50  # of requests and of notices; the lists have the rest


@dataclass(frozen=True, slots=True)
class OverviewRecords:
    """What was found at `now`. `consents` are those that have not ended; `uses` by consent."""

    person: Person
    snapshot: Snapshot
    now: datetime
    consents: tuple[Consent, ...] = ()
    uses: dict[UUID, Uses] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    authorities: tuple[Authority, ...] = ()
    notices: tuple[Notice, ...] = ()


async def read_overview(session: WriteSession, actor: Actor, borger_id: UUID) -> OverviewRecords | None:
    """None for somebody unknown. Audited as `overview.read`."""
    snapshot, now = await load_now(session, [borger_id])
    person = snapshot.persons.get(borger_id)
    if person is None:
        return None
    consents = await consents_store.open_of(session, borger_id)
    requests = await requests_store.page(session, borger_id, purposes=None, before=(now, LAST), limit=SHOWN_MAX)
    found = OverviewRecords(
        person=person,
        snapshot=snapshot,
        now=now,
        consents=consents,
        uses=await overview_store.uses_of(session, borger_id, [item.consent_id for item in consents]),
        requests=tuple(item for item in requests if item.state_at(now)[0] is State.REQUESTED),
        authorities=await authorities_store.shown_to(session, borger_id),
        notices=await notices_store.page_of_citizen(
            session, borger_id, unseen=True, before=(now, LAST), limit=SHOWN_MAX
        ),
    )
    await append(session, [http_audit.of_read("overview.read", actor, subject=borger_id, at=now)])
    return found
