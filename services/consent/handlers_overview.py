"""Everything that a citizen needs to see and to act on, read in one transaction and audited once (R20)."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.common.database import WriteSession
from libs.common.outbox import append
from services.consent import (
    records,
    store_authorities,
    store_consents,
    store_notices,
    store_overview,
    store_requests,
)
from services.consent.domain.authority import Authority
from services.consent.domain.consent import Consent
from services.consent.domain.request import Request, State
from services.consent.domain.snapshot import Person, Snapshot
from services.consent.records import Actor
from services.consent.store_notices import Kept
from services.consent.store_overview import Uses
from services.consent.store_snapshot import load_now

SHOWN_MAX = 50  # of requests and of notices; the lists have the rest
_LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Overview:
    """What was found at `now`. `consents` are those that have not ended; `uses` by consent."""

    person: Person
    snapshot: Snapshot
    now: datetime
    consents: tuple[Consent, ...] = ()
    uses: dict[UUID, Uses] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    authorities: tuple[Authority, ...] = ()
    notices: tuple[Kept, ...] = ()


async def read_overview(session: WriteSession, actor: Actor, borger_id: UUID) -> Overview | None:
    """None for somebody unknown. Audited as `overview.read`."""
    snapshot, now = await load_now(session, [borger_id])
    person = snapshot.persons.get(borger_id)
    if person is None:
        return None
    consents = await store_consents.open_of(session, borger_id)
    requests = await store_requests.page(session, borger_id, purposes=None, before=(now, _LAST), limit=SHOWN_MAX)
    found = Overview(
        person=person,
        snapshot=snapshot,
        now=now,
        consents=consents,
        uses=await store_overview.uses_of(session, borger_id, [item.consent_id for item in consents]),
        requests=tuple(item for item in requests if item.state_at(now)[0] is State.REQUESTED),
        authorities=await store_authorities.shown_to(session, borger_id),
        notices=await store_notices.page_of_citizen(
            session, borger_id, unseen=True, before=(now, _LAST), limit=SHOWN_MAX
        ),
    )
    await append(session, [records.of_read("overview.read", actor, subject=borger_id, at=now)])
    return found
