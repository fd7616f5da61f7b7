"""The design as it is built, and every unsafe one that `docs/fence.md` or its sources name, with what is wrong in it.

`worlds` of the built design are searched to their end; an unsafe design is searched in the smallest world that shows
it; `docs/fence-model.md` has the steps.
"""

from dataclasses import dataclass

from tests.fence.model import CRASH, LOST, TWICE, Bounds, Design

BUILT = {
    "1 process: calls lost, late and twice, crash, restart, consent anew": Bounds(epochs=3, calls=1),
    "1 process, two disclosures: calls lost, late and twice, renewals, two withdrawals": Bounds(
        epochs=4, holders=1, faults=frozenset({LOST, TWICE})
    ),
    "2 processes: calls lost, late and twice, crash, restart": Bounds(workers=2, calls=1, epochs=2),
    "3 processes: late calls, crash, restart": Bounds(
        workers=3, holders=3, calls=1, epochs=2, faults=frozenset({CRASH})
    ),
    "2 scopes, a family event: crash": Bounds(scopes=2, holders=1, calls=1, epochs=2, faults=frozenset({CRASH})),
    "nobody has consented yet": Bounds(holders=1, calls=1, epochs=2, given=False),
}


SMALL = Bounds(holders=1, calls=1, epochs=2)
ANEW = Bounds(holders=1, calls=1, epochs=3)

# For a machine with minutes to spare: FENCE_DEEP=1.
DEEP = {
    "1 process, two disclosures: everything, two withdrawals": Bounds(),
    "2 processes: everything, consent anew": Bounds(workers=2, calls=1, epochs=3),
    "3 processes: calls lost and late, consent anew": Bounds(
        workers=3, holders=3, calls=1, epochs=3, faults=frozenset({LOST})
    ),
}


@dataclass(frozen=True)
class Unsafe:
    """A design that breaks a promise, what it breaks, and a world in which that shows."""

    name: str
    design: Design
    wrong: str
    bounds: Bounds = SMALL


AFTER, STUCK, KILL_ONLY, BROKEN, STALE, NO_YES = (
    "disclosed after the 200",
    "200 can never be reached",
    "200 can be reached by a kill only",
    "refused, though the citizen's yes is unbroken since the event arrived",
    "disclosed, though it arrived before a break",
    "disclosed without a yes",
)

UNSAFE = (
    Unsafe("projection in advis", Design(permits="none", projection=True), AFTER),
    Unsafe("check at the authority only", Design(permits="none"), AFTER),
    Unsafe("row lock held during the send", Design(permits="lock"), AFTER),
    Unsafe("no drain", Design(drains=False), AFTER),
    Unsafe("drain only on withdrawal, not on refusal", Design(drains_refusals=False), AFTER),
    Unsafe("withdraw and count in one statement, or REPEATABLE READ", Design(counts_early=True), AFTER),
    Unsafe("a drain that looks at the previous epoch only", Design(looks_at="previous"), AFTER, bounds=ANEW),
    Unsafe("200 on a repeated withdrawal without a drain", Design(repeated="answers"), AFTER),
    Unsafe(
        "a repeated withdrawal withdraws the newer consent",
        Design(repeated="ends the newer"),
        BROKEN,
        bounds=Bounds(holders=1, calls=1, epochs=4),
    ),
    Unsafe("stale read", Design(reads="before it"), AFTER),
    Unsafe("lock and read in one statement", Design(reads="state before it"), AFTER),
    Unsafe(
        "one scope locked for a family event",
        Design(reads="before it", reads_early=(1,)),
        AFTER,
        bounds=Bounds(scopes=2, holders=1, calls=1, epochs=2, faults=frozenset()),
    ),
    Unsafe("permit freed by time", Design(ends_by_time=True), AFTER),
    Unsafe("permit freed by time, and the lease ignored", Design(ends_by_time=True, lease="ignored"), AFTER),
    Unsafe("a living holder confirmed dead", Design(buries="anybody"), AFTER),
    Unsafe("settle before the buffer is empty", Design(settles_early=True), AFTER),
    Unsafe("a dead sender's unsent bytes still leave", Design(lingers=False), AFTER),
    Unsafe("no tombstone", Design(tombstone="never"), KILL_ONLY),
    Unsafe("tombstone for unknown ids only", Design(tombstone="unknown ids"), KILL_ONLY),
    Unsafe("tombstone for known ids only", Design(tombstone="known ids"), KILL_ONLY),
    Unsafe("a dead holder may acquire", Design(dead_may_acquire=True), STUCK, bounds=Bounds(calls=1, epochs=2)),
    Unsafe("nobody confirms a death", Design(buries="nobody"), STUCK),
    Unsafe("epoch equality instead of covered since", Design(compares="equality"), BROKEN, bounds=ANEW),
    Unsafe("judged by the consent of today only", Design(compares="nothing"), STALE, bounds=ANEW),
    Unsafe(
        "no scope row counts as yes",
        Design(absent_is_yes=True),
        NO_YES,
        bounds=Bounds(holders=1, calls=1, epochs=2, given=False),
    ),
)

# What the clock could be relied on for, if nothing could happen between two instructions. It can.
CONTROL = Design(ends_by_time=True, lease="one instant")
