"""Who of the staff may register what citizens say: in one unit at a time (R37), never about themselves or their own.

`citizen_service` is the municipality's help to citizens (`borgerraadgivning_samtykke`): it serves
anybody, in anything. A caseworker and a bridge-builder act in their own unit's matters only.
"""

from dataclasses import dataclass
from uuid import UUID

CITIZEN_SERVICE = "citizen_service"
BRIDGE_BUILDER = "bridge_builder"
STAFF_ROLES = ("caseworker", BRIDGE_BUILDER, CITIZEN_SERVICE)


@dataclass(frozen=True, slots=True)
class Employee:
    """One employee in the unit they act in now. `own`: who they are as a citizen, where their login tells."""

    employee_id: str
    role: str
    unit: str
    assurance: str
    own: UUID | None = None

    @property
    def serves_anybody(self) -> bool:
        """Whether their task is every citizen's matters, whatever the unit."""
        return self.role == CITIZEN_SERVICE

    def deals_with(self, *units: str) -> bool:
        """Whether something between these units is theirs to know of."""
        return self.serves_anybody or self.unit in units
