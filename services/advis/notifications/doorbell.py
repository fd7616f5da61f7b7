"""When a doorbell rings again and when it is given up, as functions of the answer, the attempts and `now`.

The schedule is kept short on purpose: a doorbell only says "fetch", and a receiver that was away fetches anyway when it
is back. Every attempt is a disclosure and has a permit of its own (P1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from services.advis.model.errors import TransitionError
from services.advis.model.reach import Reach

RETRY_DELAYS_S = (5, 300)  # after the first and the second failed attempt
ATTEMPTS_MAX = len(RETRY_DELAYS_S) + 1
GONE = 410  # Standard Webhooks: the receiver wants no more


class DoorbellState(StrEnum):
    """Where a doorbell stands."""

    DUE = "due"
    RUNG = "rung"
    GIVEN_UP = "given_up"
    CANCELLED = "cancelled"


class DoorbellAct(StrEnum):
    """What is done to it."""

    RING = "ring"
    RETRY = "retry"
    GIVE_UP = "give_up"
    CANCEL = "cancel"


TRANSITIONS: Mapping[tuple[DoorbellState, DoorbellAct], DoorbellState] = MappingProxyType(
    {
        (DoorbellState.DUE, DoorbellAct.RING): DoorbellState.RUNG,
        (DoorbellState.DUE, DoorbellAct.RETRY): DoorbellState.DUE,
        (DoorbellState.DUE, DoorbellAct.GIVE_UP): DoorbellState.GIVEN_UP,
        (DoorbellState.DUE, DoorbellAct.CANCEL): DoorbellState.CANCELLED,
    }
)


def after(state: DoorbellState, act: DoorbellAct) -> DoorbellState:
    """The state that follows. Raises TransitionError where the table has no such pair."""
    try:
        return TRANSITIONS[state, act]
    except KeyError:
        raise TransitionError(f"{act} is not possible in {state}") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt: how far it reached, and the HTTP status when the receiver gave one."""

    reach: Reach
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the doorbell now, and when to try again (RETRY only)."""

    act: DoorbellAct
    next_attempt_at: datetime | None = None


def judge(answer: Answer, attempts: int, now: datetime) -> Verdict:
    """The verdict after attempt number `attempts` (the first is 1): 2xx is success, everything else is not."""
    if answer.status is not None and 200 <= answer.status < 300:
        return Verdict(DoorbellAct.RING)
    if answer.status == GONE or attempts >= ATTEMPTS_MAX:
        return Verdict(DoorbellAct.GIVE_UP)
    return Verdict(DoorbellAct.RETRY, now + timedelta(seconds=RETRY_DELAYS_S[attempts - 1]))
