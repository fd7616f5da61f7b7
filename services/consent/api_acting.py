"""Which citizen acts, and for whom: themselves, or a child they hold custody of today. Anyone else's id is a 404.

The CPR number comes in the access token, as the login broker gives it; it is looked up and goes no further (P10).
"""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path
from starlette.requests import Request

from libs.common.auth import Principal, require
from libs.common.database import Database
from libs.common.problems import ForbiddenError, NotFoundError
from services.consent import handlers_citizens
from services.consent.cpr_vault import Vault
from services.consent.domain.acting import Giver, Role
from services.consent.domain.cpr import Cpr, parse
from services.consent.domain.errors import CprError
from services.consent.records import Actor

ASSURANCE = frozenset({"Substantial", "High"})  # NSIS; a citizen acts at Substantial at least (R39)
LoggedIn = Annotated[Principal, Depends(require("citizen"))]


@dataclass(frozen=True, slots=True)
class Acting:
    """The citizen who acts, for the citizen in the path, who may be their child."""

    borger_id: UUID
    giver: Giver
    actor: Actor


def number_of(caller: Principal) -> Cpr:
    """The logged-in citizen's number. 403 without one, or below the assurance level that is asked for."""
    number = caller.claims.get("cpr")
    if not isinstance(number, str) or assurance_of(caller) not in ASSURANCE:
        raise ForbiddenError
    try:
        return parse(number)
    except CprError:
        raise ForbiddenError from None


def assurance_of(caller: Principal) -> str:
    """The level as one word, also where the broker gives it as the address of the concept."""
    return (caller.assurance or "").rpartition("/")[2]


def actor_of(request: Request, name: str, role: str, *, giver: UUID | None = None, unit: str | None = None) -> Actor:
    """Who acts, for the record, with this request's correlation id."""
    return Actor(name, role, correlation_id=request.scope["state"]["correlation_id"], giver=giver, unit=unit)


async def acting(request: Request, caller: LoggedIn, borger_id: Annotated[UUID, Path()]) -> Acting:
    """Dependency for every path under a citizen. 404 for an id that is neither one's own nor one's child's."""
    database: Database = request.app.state.database
    vault: Vault = request.app.state.vault
    number = number_of(caller)
    async with database.read() as session:
        own = await handlers_citizens.find_citizen(session, vault, number)
        if own is None or (own != borger_id and not await handlers_citizens.acts_for(session, own, borger_id)):
            raise NotFoundError
    role = Role.SELF if own == borger_id else Role.CUSTODY_HOLDER
    giver = Giver(own, assurance_of(caller), role)
    return Acting(borger_id, giver, actor_of(request, "citizen", "citizen", giver=own))


ActingCitizen = Annotated[Acting, Depends(acting)]
