"""`samtykkebro fence HOLDER`: an operator answers for a death that no machine can prove (docs/fence.md, Death).

Rules:
- It is an act of a person, and audited: whoever says it has made sure that the process is dead.
- It is refused where a supervisor on this machine can prove the death itself: there the holder may well be alive.
"""

from pathlib import Path
from uuid import UUID

from libs.cli.supervising.holders import HolderCalls
from libs.cli.supervising.slots import Place, Slot, UnprovableDeathError, proof_of_death


class SupervisedHereError(Exception):
    """A supervisor of this machine answers for the holder; the text says what to do instead."""


async def fence(calls: HolderCalls, holder_id: UUID, slots: Path, *, here: Place | None = None) -> None:
    """Confirms the death to consent, and clears the record that the slot folder of this machine keeps of it.

    Raises SupervisedHereError, UnreachableError, RefusedError.
    """
    found = _slot_of(holder_id, slots)
    if found is not None:
        _require_unprovable(found, here or Place.here())
    await calls.confirm_dead(holder_id, "operator")
    if found is not None:
        found.clear()


def _slot_of(holder_id: UUID, slots: Path) -> Slot | None:
    for path in sorted(slots.glob("*.json")):
        slot = Slot(slots, path.stem)
        record = slot.previous()
        if record is not None and record.holder_id == holder_id:
            return slot
    return None


def _require_unprovable(slot: Slot, here: Place) -> None:
    record = slot.previous()
    assert record is not None
    try:
        proof_of_death(record, here, slot.lock_on_disk)
    except UnprovableDeathError:
        return
    raise SupervisedHereError(
        f"holder {record.holder_id} was started by a supervisor of this machine, which confirms its death itself: "
        "stop that process, or start the supervisor again"
    )
