"""What a young person is told as they come of an age that the municipality's policy names (R11, U14).

10: they are involved from now on, and may see what is decided for them. 15: they are asked themselves. 18: what others
have declared for them has lapsed. The ages are policy values; the words for the codes are the reader's.
"""

from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from libs.common.database.database import WriteSession
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Policy
from services.consent.citizens import store as citizens_store
from services.consent.model.calendar import age_on, birthday, danish_date, danish_midnight
from services.consent.notices import store as notices_store
from services.consent.notices.store import Notice

TOLD_WITHIN = timedelta(days=400)  # longer after the day it is no news: no consent of before it can still run


async def tell_of_age(session: WriteSession, borger_id: UUID, now: datetime) -> None:
    """Leave the notice of the latest age that has come, once. Nothing for somebody unknown, or long past it."""
    policy = (await catalogue_store.current(session)).policy(now)
    born = await citizens_store.born(session, borger_id)
    if policy is None or born is None:
        return
    reached = [(turn, kind) for turn, kind in _turns(born, policy) if turn <= now < turn + TOLD_WITHIN]
    for turn, kind in reached[-1:]:
        await notices_store.add_once(session, Notice(uuid4(), borger_id, "citizen", kind, borger_id, turn))


async def tell_child(session: WriteSession, borger_id: UUID, *, by: UUID, about: UUID, now: datetime) -> None:
    """Show somebody of an age to be involved, and not yet to declare, what a parent has decided for them (R11).

    `about`: the consent. Nothing when they have done it themselves.
    """
    policy = (await catalogue_store.current(session)).policy(now)
    born = await citizens_store.born(session, borger_id)
    if policy is None or born is None or by == borger_id:
        return
    if policy.involved_age <= age_on(born, danish_date(now)) < policy.own_declaration_age:
        await notices_store.add(session, Notice(uuid4(), borger_id, "citizen", "decided_for_you", about, now))


def _turns(born: date, policy: Policy) -> list[tuple[datetime, str]]:
    ages = (
        (policy.involved_age, "child_involved"),
        (policy.own_declaration_age, "asked_at_15"),
        (policy.adult_age, "of_age_at_18"),
    )
    return [(danish_midnight(birthday(born, age)), kind) for age, kind in ages]
