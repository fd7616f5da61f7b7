"""Which citizen acts, and for whom: themselves, a child in their custody, or by a recorded authority; as it is today.

Anyone else's id is a 404. The CPR number comes in the access token, as the login broker gives it; it is looked up and
goes no further (P10).
"""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path
from starlette.requests import Request

from libs.common.database.database import Database
from libs.common.http.auth import Principal, require
from libs.common.http.problems import MissingRightError, NotFoundError
from services.consent.citizens import capacity, citizens
from services.consent.citizens.vault import Vault
from services.consent.http.audit import Actor
from services.consent.http.callers import ASSURANCE, actor_of, assurance_of
from services.consent.http.problems import number_in
from services.consent.model.acting import Giver
from services.consent.model.cpr import Cpr
from services.consent.model.errors import CprError

TOO_LOW = "The login's level of assurance (acr) must be Substantial or High."
NO_NUMBER = "The token names no CPR number (cpr)."
LoggedIn = Annotated[Principal, Depends(require("citizen"))]


@dataclass(frozen=True, slots=True)
class Acting:
    """The citizen who acts, for the citizen in the path. `purposes`: what their authority is about, or None."""

    borger_id: UUID
    giver: Giver
    actor: Actor
    purposes: frozenset[str] | None = None

    def covers(self, purpose: str | None) -> bool:
        """Whether this purpose, or with None every one, is theirs to see and to act on. What is not, is a 404."""
        return self.purposes is None or purpose in self.purposes


def number_of(caller: Principal) -> Cpr:
    """The logged-in citizen's number. 403 without one, or below the assurance level that is asked for."""
    number = caller.claims.get("cpr")
    if assurance_of(caller) not in ASSURANCE:
        raise MissingRightError(TOO_LOW)
    if not isinstance(number, str):
        raise MissingRightError(NO_NUMBER)
    try:
        return number_in(number)
    except CprError:
        raise MissingRightError(NO_NUMBER) from None


async def acting_within(request: Request, caller: LoggedIn, borger_id: Annotated[UUID, Path()]) -> Acting:
    """Dependency for paths under a citizen that heed `Acting.covers`. 404 for an id that one may not act for."""
    database: Database = request.app.state.database
    vault: Vault = request.app.state.vault
    number = number_of(caller)
    async with database.read() as session:
        own = await citizens.find_citizen(session, vault, number)
        found = None if own is None else await capacity.capacity(session, own, borger_id)
    if own is None or found is None:
        raise NotFoundError
    authority_id = None if found.authority is None else found.authority.authority_id
    giver = Giver(own, assurance_of(caller), found.role, authority_id=authority_id)
    return Acting(borger_id, giver, actor_of(request, "citizen", "citizen", giver=own), found.purposes)


ActingWithin = Annotated[Acting, Depends(acting_within)]


async def acting(by: ActingWithin) -> Acting:
    """Dependency for paths that show or do everything: 404 to a representative for some purposes only."""
    if by.purposes is not None:
        raise NotFoundError
    return by


ActingCitizen = Annotated[Acting, Depends(acting)]
