"""Numbers that came again with something else: a producer whose counters went back, as after a restored backup.

A redelivery repeats the entry; dropping it is right. A number given twice is not: dropping the second would lose an
entry in silence. It is told apart by what the stored leaf commits to, and parked for the operator, who raises the
producer's generation and sends it again. Where the opening was erased nothing can be compared, and it is dropped.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from libs.common.bus.port import Delivery, OutgoingRecord
from libs.common.consuming.parking import noted
from libs.common.database.database import WriteSession
from libs.common.outbox.outbox import append
from services.audit.keys import store as keys_store
from services.audit.keys.vault import Vault
from services.audit.log.append import Candidate
from services.audit.log.entries_store import find_numbered
from services.audit.log.opened import keys_of, read_entry


def identity_of(private: Mapping[str, Any]) -> str | None:
    """What tells an entry from every other: its own id, or the digest of what was rejected; None when erased."""
    found = private.get("entry_id") or private.get("objects", {}).get("sha256")
    return None if found is None else str(found)


async def park_reused(
    session: WriteSession,
    again: Sequence[tuple[Candidate, Delivery]],
    vault: Vault,
    letter: Callable[[Delivery], OutgoingRecord],
) -> int:
    """Park those of the records `again` whose number the log gave to another entry; how many. `letter` seals one."""
    numbers = [candidate.leaf.numbered for candidate, _ in again if candidate.leaf.numbered]
    found = await find_numbered(session, numbers)
    wrapped = await keys_store.load_keys(session, {sealed.ref for one in found.values() for sealed in one.openings})
    keys = keys_of(vault, wrapped)
    stored = {number: identity_of(read_entry(one, keys).opened) for number, one in found.items()}
    reused = [
        letter(delivery)
        for candidate, delivery in again
        if candidate.leaf.numbered and stored.get(candidate.leaf.numbered) not in {None, candidate.identity}
    ]
    await append(session, reused)
    for one in reused:
        noted(one)
    return len(reused)
