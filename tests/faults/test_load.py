"""A process that grows and a call that becomes slow are seen in what a run reports."""

from tests.faults.load import Memory, grown, latencies


def test_each_life_of_a_process_has_its_own_line() -> None:
    samples = [Memory("a", 1, 0.0, 10), Memory("a", 1, 30.0, 50), Memory("a", 1, 60.0, 40), Memory("a", 2, 90.0, 12)]
    first, second = grown(samples)
    assert (first["before"], first["after"], first["most"], first["seconds"]) == (10, 40, 50, 60)
    assert (second["pid"], second["before"], second["after"]) == (2, 12, 12)


def test_a_call_that_becomes_slow_is_slow_in_the_last_third_alone() -> None:
    ms = 1_000_000
    times = [(0, 5), (110, 5), (210, 5), (290, 10)]
    lines = [{"op": "read", "phase": "ok", "asked": asked * ms, "t": (asked + took) * ms} for asked, took in times]
    lines.append({"op": "read", "phase": "invoke", "t": 300 * ms})
    found = {line["third"]: (line["calls"], line["p50_ms"], line["p99_ms"]) for line in latencies(lines)}
    assert found == {1: (1, 5, 5), 2: (1, 5, 5), 3: (2, 5, 10)}
