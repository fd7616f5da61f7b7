"""Which employee acts, in which unit, and how they may name a citizen: by number, or by a case that is theirs."""

import re
from typing import Annotated

from fastapi import Depends, Header
from pydantic import Field, model_validator
from starlette.requests import Request as HttpRequest

from libs.common.database.database import Database
from libs.common.database.transaction import available
from libs.common.http.auth import Principal, require
from libs.common.http.problems import InvalidError, MissingRightError
from libs.common.wire.identifiers import Uuid
from libs.common.wire.messages import Code
from services.consent.citizens import citizens
from services.consent.citizens.acting import NO_NUMBER, TOO_LOW
from services.consent.citizens.vault import Vault
from services.consent.employees.need_to_know import CitizenIdentifier
from services.consent.employees.staff import BRIDGE_BUILDER, CITIZEN_SERVICE, STAFF_ROLES, Employee
from services.consent.http.audit import Actor
from services.consent.http.callers import ASSURANCE, actor_of, assurance_of
from services.consent.http.problems import number_in
from services.consent.http.shapes import Request
from services.consent.model.errors import (
    CprError,
)

_EMPLOYEE_ID = re.compile(r"[a-z]{1,8}[0-9]{1,8}")  # a pseudonym, as on the bus: never a name
ActingUnit = Annotated[
    Code | None, Header(description="the unit acted in; needed by a bridge-builder with a home and a host unit (R37)")
]
OnDuty = Annotated[Principal, Depends(require(*STAFF_ROLES))]


class PersonReference(Request):
    """Who it is: by CPR number, sent once over TLS and kept nowhere, or by id where the unit has an open case."""

    cpr: str | None = Field(default=None, min_length=10, max_length=11)
    borger_id: Uuid | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "PersonReference":
        if (self.cpr is None) == (self.borger_id is None):
            raise ValueError("name the citizen by cpr or by borger_id")
        return self

    def named(self) -> CitizenIdentifier:
        """As the handlers take it. Raises CprError."""
        return CitizenIdentifier(None if self.cpr is None else number_in(self.cpr), self.borger_id)


async def employee(request: HttpRequest, caller: OnDuty, acting_unit: ActingUnit = None) -> Employee:
    """Dependency. 403 without a unit, an employee id or a login at NSIS Substantial at least, or for another's unit."""
    assurance = assurance_of(caller)
    if caller.unit is None:
        raise MissingRightError("The token names no unit.")
    if assurance not in ASSURANCE:
        raise MissingRightError(TOO_LOW)
    if not _EMPLOYEE_ID.fullmatch(caller.subject):
        raise MissingRightError("The subject of the token is not an employee id.")
    role = next(name for name in (CITIZEN_SERVICE, *STAFF_ROLES) if name in caller.roles)
    unit = _unit(caller, caller.unit, role, acting_unit)
    number = caller.claims.get("cpr")
    own = None
    if isinstance(number, str):
        database: Database = request.app.state.database
        vault: Vault = request.app.state.vault
        try:
            parsed = number_in(number)
        except CprError:
            raise MissingRightError(NO_NUMBER) from None
        with available():
            async with database.read() as session:
                own = await citizens.find_citizen(session, vault, parsed)
    return Employee(caller.subject, role, unit, assurance, own)


def _unit(caller: Principal, home: str, role: str, named: str | None) -> str:
    """The one unit acted in: a bridge-builder with a home and a host unit says which (R37), 422 when they do not."""
    host = caller.claims.get("host_unit")
    units = [home, host] if role == BRIDGE_BUILDER and isinstance(host, str) else [home]
    if named is None and len(units) > 1:
        raise InvalidError("Acting-Unit", "must name the unit that you act in now", sorted(units))
    if named not in {None, *units}:
        raise MissingRightError("The token does not name the unit that you act in.")
    return named or home


ActingEmployee = Annotated[Employee, Depends(employee)]


def actor_for(request: HttpRequest, by: Employee) -> Actor:
    """The employee, for the record."""
    return actor_of(request, by.employee_id, by.role, unit=by.unit)
