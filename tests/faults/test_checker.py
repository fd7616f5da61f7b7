"""The checker itself: a good history passes every invariant, and each way to break one is caught by that one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults import evidence as e
from tests.faults.checker import Verdict, check, without_effect
from tests.faults.evidence import Evidence
from tests.faults.poison import TOPICS, readers_of

MS = 1_000_000
POISON = ("case.events.http", 3, 17)
K = ("citizen", "P", "UNIT")
STILL = ("steady", "P", "UNIT")
NOBODY = "nobody"


def good() -> Evidence:
    """One citizen is told of, withdraws and is told of no more; one is steady; one never consents."""
    return Evidence(
        withdrawals=[e.Withdrawal(K, 100 * MS, 200 * MS, "w")],
        grants=[(10 * MS, 20 * MS)],
        registered={"w": e.Registered("w", {K: 2}, 10.1, 10.2)},
        permits={
            "bell": e.Permit("bell", {K: 1}, 10.0, "settled", 10.15, 20 * MS),
            "page": e.Permit("page", {K: 1}, 10.0, "settled", 10.15, 20 * MS),
        },
        bumps=[e.Bump(K, 1, 9.0), e.Bump(K, 2, 10.1)],
        writes=[e.Write(30 * MS, "doorbell", ("bell",), "d"), e.Write(30 * MS, "http", ("page",))],
        ends=[e.End(40 * MS, ("bell",), "disclosed"), e.End(40 * MS, ("page",), "disclosed")],
        reads=[
            e.Read("r", "UNIT", 25 * MS, 45 * MS, (("n1", "case"),)),
            e.Read("r", "UNIT", 210 * MS, 220 * MS, (("n2", "still"),)),
        ],
        closed=[e.Closed(K, 200 * MS, 300 * MS)],
        citizen_of_case={"case": "citizen", "still": "steady", "silent": NOBODY},
        events={
            "e1": e.Event("e1", "citizen", (frozenset({("UNIT", "P")}),)),
            "e2": e.Event("e2", "steady", (frozenset({("UNIT", "P")}),)),
            "e3": e.Event("e3", NOBODY, (frozenset(),)),
        },
        wanted=dict.fromkeys(("e1", "e2", "e3"), frozenset({"UNIT"})),
        notifications=[
            e.Notification("n1", "e1", "UNIT", "P", "cancelled", False, "d1"),
            e.Notification("n2", "e2", "UNIT", "P", "unread", True, "d2"),
        ],
        never=frozenset({NOBODY}),
        steady=frozenset({STILL}),
        final_inbox={"UNIT": ["n2"]},
        settled_s=3.0,
        rings=[e.Ring(31 * MS, "UNIT", "d", "sha"), e.Ring(35 * MS, "UNIT", "d", "sha")],
        notification_of_doorbell={"d": "n1"},
        entries=_entries(),
        leaves=[e.Leaf(place, "s", 1, 0, place + 1, entry.type) for place, entry in enumerate(_entries())],
        log=e.Log(12, (), ()),
        searched={"topics": 10, "doorbells": 10, "logs": 10},
        poisoned=[POISON],
        parked={("consent", POISON): 1, ("advis", POISON): 1},
        faults=[e.FaultLine("kill x", 5_000 * MS, 6_000 * MS, outage=False)],
        prompt=frozenset({"UNIT"}),
        ended_ns=10_000 * MS,
    )


def _entries() -> list[e.Entry]:
    said = [
        ("consent.granted", "citizen", 9.0, {}, ("P", "UNIT")),
        *(("event.received", None, 9.5, {"event_id": event}, None) for event in ("e1", "e2", "e3")),
        ("notification.created", "citizen", 9.5, {}, None),
        ("notification.created", "steady", 9.5, {}, None),
        *(("disclosure.permitted", "citizen", 10.0, {"permit_id": permit}, None) for permit in ("bell", "page")),
        *(("disclosure.made", "citizen", 10.1, {"permit_id": permit}, None) for permit in ("bell", "page")),
        ("consent.withdrawn", "citizen", 10.1, {}, ("P", "UNIT")),
        ("withdrawal.drained", "citizen", 10.2, {}, None),
    ]
    ids = {4: "d1", 5: "d2"}
    return [
        e.Entry(ids.get(at, f"entry{at}"), "s", 1, 0, at + 1, kind, subject, when, objects, scope)
        for at, (kind, subject, when, objects, scope) in enumerate(said)
    ]


def _verdicts(evidence: Evidence) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in check(evidence)}


def _broken(evidence: Evidence) -> set[str]:
    return {name for name, verdict in _verdicts(evidence).items() if verdict.broken}


def test_a_good_history_holds() -> None:
    verdicts = _verdicts(good())
    assert {name: [*v.broken, *v.undecided] for name, v in verdicts.items() if not v.held} == {}
    assert list(verdicts) == ["S1", "S2", "S3", "S4", "S5", "L1", "A1", "A2", "O1", "D1", "T1"]


def test_a_run_in_which_nothing_happened_has_held_nothing() -> None:
    assert not [verdict.name for verdict in check(Evidence()) if verdict.held]


def _changed(**fields: object) -> Callable[[], Evidence]:
    return lambda: replace(good(), **fields)


def _with(name: str, at: int, **fields: object) -> Callable[[], Evidence]:
    """The good history with one item of a sequence changed."""

    def make() -> Evidence:
        items = list(getattr(good(), name))
        items[at] = replace(items[at], **fields)
        return replace(good(), **{name: items})

    return make


def _without(name: str, at: int) -> Callable[[], Evidence]:
    def make() -> Evidence:
        items = list(getattr(good(), name))
        del items[at]
        return replace(good(), **{name: items})

    return make


def _and(name: str, item: object) -> Callable[[], Evidence]:
    return lambda: replace(good(), **{name: [*getattr(good(), name), item]})


def _permit(**fields: object) -> Callable[[], Evidence]:
    permits = good().permits
    return _changed(permits={**permits, "page": replace(permits["page"], **fields)})


BREAKS: dict[str, tuple[str, Callable[[], Evidence]]] = {
    "a doorbell written after the 200": ("S1", _with("writes", 0, t=201 * MS)),
    "a doorbell still leaving after the 200, its sender was stopped between check and write": (
        "S1",
        _with("ends", 0, t=201 * MS),
    ),
    "an answer written after the 200": ("S2", _with("writes", 1, t=201 * MS)),
    "an answer still leaving after the 200": ("S2", _with("ends", 1, t=201 * MS)),
    "a read begun after the 200 that shows the citizen": (
        "S2",
        _with("reads", 1, shown=(("n1", "case"),)),
    ),
    "a permit opened after its epoch had passed": ("S3", _permit(opened_at=10.11)),
    "a permit opened at an epoch that did not exist yet": ("S3", _permit(epochs={K: 2}, opened_at=10.05)),
    "drained with an older permit open": ("S4", _permit(state="open", ended_at=None)),
    "drained before an older permit ended": ("S4", _permit(ended_at=10.21)),
    "answered, and the database has lost it": ("S4", _changed(registered={})),
    "two notifications for one event": (
        "S5",
        _and("notifications", e.Notification("n9", "e2", "UNIT", "P", "cancelled", False, "d2")),
    ),
    "two bodies under one webhook-id": ("S5", _with("rings", 1, body_sha256="other")),
    "two webhook-ids for one notification": (
        "S5",
        lambda: replace(
            good(),
            rings=[*good().rings, e.Ring(36 * MS, "UNIT", "x", "sha")],
            notification_of_doorbell={"d": "n1", "x": "n1"},
        ),
    ),
    "an event under an unbroken consent is lost": ("L1", _without("notifications", 1)),
    "an event is lost though every answer to its arrival had an opening": (
        "L1",
        lambda: replace(good(), steady=frozenset({("other", "P", "UNIT")}), notifications=good().notifications[:1]),
    ),
    "a notification without an opening": (
        "L1",
        _changed(events={**good().events, "e1": e.Event("e1", "citizen", (frozenset(),))}),
    ),
    "cancelled though its consent never broke": ("L1", _with("notifications", 1, state="cancelled")),
    "what is covered is missing in the inbox": ("L1", _changed(final_inbox={"UNIT": []})),
    "what is covered stands twice in the inbox": ("L1", _changed(final_inbox={"UNIT": ["n2", "n2"]})),
    "what is not covered still stands in the inbox": ("L1", _changed(final_inbox={"UNIT": ["n1", "n2"]})),
    "what was refused is left open": ("L1", _with("notifications", 0, state="read")),
    "a citizen without consent leaves a trace": ("L1", _with("reads", 0, shown=(("n3", "silent"),))),
    "it never becomes quiet": ("L1", _changed(settled_s=None, unsettled="3 records")),
    "an entry that is not in the log": ("A1", _without("leaves", 3)),
    "an entry that was never published": ("A1", _with("entries", 3, number=None)),
    "a leaf that nobody wrote": ("A1", _and("leaves", e.Leaf(99, "s", 1, 0, 99, "x"))),
    "a number twice in the log": ("A1", _and("leaves", e.Leaf(99, "s", 1, 0, 3, "x"))),
    "a decision without its entry": ("A1", _with("notifications", 1, decision_id="none")),
    "an event received twice": (
        "A1",
        lambda: replace(
            good(),
            entries=[
                *good().entries,
                replace(good().entries[1], entry_id="again", number=13),
            ],
            leaves=[*good().leaves, e.Leaf(12, "s", 1, 0, 13, "event.received")],
        ),
    ),
    "a log that does not verify": ("A1", _changed(log=e.Log(12, ("the root differs",), ()))),
    "a death without its entry": (
        "A1",
        lambda: replace(
            _permit(state="dead")(),
            entries=[entry for entry in good().entries if entry.entry_id != "entry9"],
            leaves=[leaf for leaf in good().leaves if leaf.index != 9],
        ),
    ),
    "a disclosure before its permit was committed": ("A2", _permit(committed_ns=31 * MS)),
    "a disclosure whose permission has no entry": (
        "A2",
        _with("entries", 6, objects={"permit_id": "another"}),
    ),
    "the log in another order than the epochs": ("O1", _with("leaves", 0, index=50)),
    "a personal number on a topic": ("D1", _changed(canaries=["case.events/3/17"])),
    "a poison record that one of its readers does not park": ("D1", _changed(parked={("consent", POISON): 1})),
    "a poison record that is parked twice": (
        "D1",
        _changed(parked={("consent", POISON): 2, ("advis", POISON): 1}),
    ),
    "a withdrawal that takes longer than lease and kill": (
        "T1",
        lambda: replace(
            _with("withdrawals", 0, answered_ns=12_400 * MS)(), closed=[], faults=[], prompt=frozenset({"ANOTHER"})
        ),
    ),
    "a withdrawal that is never answered": ("T1", _with("withdrawals", 0, answered_ns=None)),
    "a slow withdrawal where nothing was wrong": ("T1", _with("withdrawals", 0, answered_ns=1_400 * MS)),
}


@pytest.mark.parametrize(("invariant", "make"), BREAKS.values(), ids=BREAKS.keys())
def test_a_broken_history_is_caught(invariant: str, make: Callable[[], Evidence]) -> None:
    assert invariant in _broken(make())


def _d1(**fields: object) -> Verdict:
    return _verdicts(replace(good(), **fields))["D1"]


def test_a_run_that_was_to_poison_and_left_a_topic_without_has_decided_nothing() -> None:
    everywhere = [*((topic, 0, 1) for topic in TOPICS)]
    parked = {(service, place): 1 for place in everywhere for service in readers_of(place[0])}
    d1 = _d1(poisoned=everywhere, parked=parked, asked=["poison"])
    assert d1.held
    d1 = _d1(poisoned=everywhere[1:], parked=parked, asked=["poison"])
    assert (d1.held, d1.broken, d1.undecided) == (False, [], (f"poison on {TOPICS[0]}",))
    assert "NOTHING TO DECIDE" in d1.line()
    assert not _d1(poisoned=[], parked={}, asked=["poison"]).held
    assert _d1(poisoned=[], parked={}, asked=["kill x"]).held


def test_what_was_asked_for_and_not_done_is_said() -> None:
    dealt = [e.FaultLine("poison", 0, 1, outage=False), e.FaultLine("copies", 0, 1, outage=False, took_effect=False)]
    undone = without_effect(replace(good(), asked=["poison", "copies", "restore"], faults=dealt))
    assert undone == ["copies (dealt without effect)", "restore (never dealt)"]


def test_who_was_set_back_may_park_again() -> None:
    twice = replace(good(), parked={("consent", POISON): 1, ("advis", POISON): 2})
    assert "D1" in _broken(twice)
    assert "D1" not in _broken(replace(twice, set_back={"advis": 1}))


def test_every_invariant_is_broken_by_some_history() -> None:
    assert {invariant for invariant, _ in BREAKS.values()} == set(_verdicts(good()))


def test_time_under_an_outage_is_no_fault_of_the_withdrawal() -> None:
    """A consent that is away for eight seconds may answer eight seconds later."""
    late = _with("withdrawals", 0, answered_ns=12_400 * MS)()
    away = e.FaultLine("stop postgres", 0, 8_000 * MS, outage=True)
    assert "T1" in _broken(replace(late, faults=[]))
    assert "T1" not in _broken(replace(late, faults=[away]))


def test_a_change_that_was_rolled_back_gives_its_epoch_to_the_next() -> None:
    """Recorded under the lock, never committed: a permit opened between it and its successor is right."""
    tried = [e.Bump(K, 1, 9.0), e.Bump(K, 2, 9.5), e.Bump(K, 2, 10.1)]
    assert "S3" not in _broken(replace(good(), bumps=tried))


def test_a_restored_database_may_have_lost_entries_that_the_log_has() -> None:
    old = [replace(leaf, producer="advis") for leaf in good().leaves]
    entries = [replace(entry, producer="advis") for entry in good().entries]
    more = replace(good(), entries=entries, leaves=[*old, e.Leaf(99, "advis", 1, 0, 99, "x")])
    assert "A1" in _broken(more)
    assert "A1" not in _broken(replace(more, restored=1))
