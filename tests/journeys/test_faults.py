"""P1 to P4 under two of the worst faults, in one short run of `tests/faults` (the long one is `make faults`).

Advis is stopped between looking at its lease and writing, and its database's sessions are ended; the checker decides.
"""

import pytest
from rich.console import Console

from tests.faults import faults
from tests.faults.checker import check
from tests.faults.run import Plan, run

pytestmark = [pytest.mark.journey, pytest.mark.kafka, pytest.mark.timeout(300)]
DEALT = {"stop at lease-checked", "backends advis"}
SECONDS = 16.0
LACKING = {"D1", "T1"}  # too short a run for these to find something of everything


@pytest.mark.usefixtures("kafka")
async def test_every_invariant_holds_when_a_sender_is_stopped_before_its_first_byte() -> None:
    kinds = tuple(fault for fault in faults.every() if fault.name in DEALT)
    assert len(kinds) == len(DEALT)
    outcome = await run(Plan(seed=7, seconds=SECONDS, kinds=kinds, calm_s=4.0), Console(quiet=True))
    verdicts = check(outcome.evidence)
    print("\n" + "\n".join(verdict.line() for verdict in verdicts))
    assert not outcome.problem
    assert not [line for verdict in verdicts for line in verdict.broken]
    assert not [verdict.name for verdict in verdicts if verdict.undecided and verdict.name not in LACKING]
    assert {fault.name for fault in outcome.evidence.faults} == DEALT
