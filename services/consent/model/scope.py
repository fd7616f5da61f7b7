"""A scope: the citizen, purpose and recipient for which consent is ordered."""

from typing import NamedTuple
from uuid import UUID


class ScopeKey(NamedTuple):
    """The unit of fencing. Sorted as a tuple: the order in which scopes are locked."""

    borger_id: UUID
    purpose: str
    recipient_unit: str
