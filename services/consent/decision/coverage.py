"""Whether a coverage still holds, or the catalogue has broken it (`docs/fence.md`, covered since; R35, R36, P3).

1. An epoch changes with what is recorded about a person. A unit that closes and opens again, or a purpose that loses a
   category and gets it back, changes no row of anybody's: it is read out of the catalogue's own validity instead.
2. A coverage recorded at a moment holds while the catalogue *of every day since* says yes to what stands today. No job
   has to be in time for that (P6), and nothing is written for the millions whom a change concerns.
3. A coverage that has been broken begins anew under the scope's lock, at a new epoch (`scopes.renew`): what arrived
   before the gap stays uncovered, what arrives after it is covered.

It needs validity that never hides a gap: a version is not edited once in force, what has ended begins again on a later
day only, and no two versions of a code begin on one day (`catalogue_history`).
"""

from bisect import bisect_right
from dataclasses import replace
from datetime import date, datetime

from services.consent.decision.decide import decide
from services.consent.decision.snapshot import Coverage, Question, Snapshot
from services.consent.model.calendar import danish_date


def is_unbroken(question: Question, coverage: Coverage, snapshot: Snapshot, now: datetime) -> bool:
    """Whether the catalogue has said yes on every day since the coverage was recorded.

    The decision of today is the caller's: this one asks only about the days before.
    """
    began, today = danish_date(coverage.at), danish_date(now)
    turns = snapshot.catalogue.turns
    between = turns[bisect_right(turns, began) : bisect_right(turns, today)]
    return all(_said_yes(question, snapshot, day, now) for day in ((began, *between[:-1]) if between else ()))


def _said_yes(question: Question, snapshot: Snapshot, day: date, now: datetime) -> bool:
    return decide(question, replace(snapshot, catalogue=snapshot.catalogue.as_of(day)), now).permitted
