"""The fence as states and steps, small enough to be searched to the end (`docs/fence.md`).

A step is one thing that happens at once: a commit, one look of a drain, a message that arrives, one instruction of a
sender. Steps come in any order, so a pause of any length, a stopped process that wakes later, and a late message need
no state of their own: they are what happens when others go first. An acquire is one step because its locks make it
one; the designs that lock or read wrongly have it in two.

The mechanism is epochs, permits and leases. The oracle knows nothing of them: it counts the citizen's periods (odd:
the answer is yes), notes in which period the state was really read that said yes, and what the citizen was told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

CRASH, LOST, TWICE, KILL = "crash", "lost", "twice", "kill"
FAULTS = frozenset({CRASH, LOST, TWICE})


@dataclass(frozen=True)
class Design:
    """The fence as it is built. Every field turned round is a design that somebody has proposed."""

    permits: str = "counted"  # "none": the answer is all there is. "lock": a row lock for as long as one sends
    reads: str = "under the lock"  # "before it": and commits later. "state before it": with the epoch of later
    reads_early: tuple[int, ...] = (0, 1)  # which scopes are read early, where any are
    projection: bool = False  # decided by a copy in advis
    absent_is_yes: bool = False
    compares: str = "covered since"  # "equality" with the epoch at arrival; "nothing": what arrived when is ignored
    drains: bool = True
    drains_refusals: bool = True
    counts_early: bool = False  # withdraw and count in one statement, or both on one snapshot
    looks_at: str = "older"  # "previous": only the permits of the epoch just before
    ends_by_time: bool = False
    repeated: str = "joins"  # "answers" without a drain, "ends the newer" consent
    lease: str = "check, then write"  # "ignored"; "one instant" for check, write and leaving
    settles_early: bool = False  # as soon as it is written, before the buffer is empty
    lingers: bool = True  # what is not sent yet is thrown away with its process
    tombstone: str = "always"  # "never", "unknown ids", "known ids"
    dead_may_acquire: bool = False
    buries: str = "the dead"  # "anybody" who does not answer; "nobody"


@dataclass(frozen=True)
class Bounds:
    """How much world there is. `holders` counts incarnations that still matter, the dead among them."""

    workers: int = 1
    holders: int = 2
    calls: int = 2
    epochs: int = 4
    scopes: int = 1
    faults: frozenset[str] = FAULTS
    given: bool = True


class Waiting(NamedTuple):
    """A withdrawal that is committed and not answered. `ended`: the citizen's period that it ended."""

    epoch: int
    ended: int
    drained: bool


class Scope(NamedTuple):
    """One scope at consent: mechanism first. `period`, `told`: the oracle's. The last two: of some designs only."""

    epoch: int
    since: int
    given: bool
    waiting: tuple[Waiting, ...] = ()
    period: int = 0
    told: int = 0
    projected: int = 0
    counted: str = ""

    @property
    def exists(self) -> bool:
        return self.epoch > 0


class Call(NamedTuple):
    """One disclosure and its permit id. `stage`: its holder's. `row`: consent's. `mail`: the calls that are under way.

    `arrived`, `early`: (epoch, period) per scope, at arrival and at an early read. `epochs`, `basis`: the permit's
    epochs, and the periods in which the state was read that said yes.
    """

    stage: str
    row: str = ""
    mail: tuple[str, ...] = ()
    arrived: tuple[tuple[int, int], ...] = ()
    epochs: tuple[int, ...] = ()
    basis: tuple[int, ...] = ()
    early: tuple[tuple[int, int], ...] = ()

    def settling(self) -> "Call":
        return self._replace(stage="settling", mail=tuple(sorted({*self.mail, "settle"})))

    def without(self, name: str) -> "Call":
        return self._replace(mail=tuple(other for other in self.mail if other != name))

    @property
    def is_open(self) -> bool:
        return self.row in {"open", "late"}

    @property
    def is_final(self) -> bool:
        return self.row in {"settled", "dead"}


class Holder(NamedTuple):
    """One incarnation of a process. `known`: what consent knows of it."""

    runs: bool = True
    known: str = "lives"
    calls: tuple[Call, ...] = ()


class State(NamedTuple):
    scopes: tuple[Scope, ...]
    holders: tuple[Holder, ...]


class Step(NamedTuple):
    """`kind`: empty, one of FAULTS, or KILL. `wrong`: the promise that this step breaks."""

    name: str
    after: State
    kind: str = ""
    wrong: str = ""


def start(bounds: Bounds) -> State:
    """Consent given and nothing asked, or nobody ever asked for consent."""
    scope = Scope(1, 1, given=True, period=1, projected=1) if bounds.given else Scope(0, 0, given=False)
    return State((scope,) * bounds.scopes, (Holder(),) * bounds.workers)


def steps(state: State, design: Design, bounds: Bounds) -> Iterator[Step]:
    """Everything that may happen next."""
    for number, scope in enumerate(state.scopes):
        yield from _citizen(state, number, design, bounds)
        yield from _drain(state, number, design)
        if design.projection and scope.projected != scope.period:
            yield Step("the projection catches up", _scope(state, number, scope._replace(projected=scope.period)))
    for number, holder in enumerate(state.holders):
        yield from _supervisor(state, number, design)
        if holder.runs:
            yield from _arrival(state, number, design, bounds)
        for place, call in enumerate(holder.calls):
            for name, after, kind, wrong in (
                *_consent(state, holder, call, design),
                *_post(call),
                *(_sender(state, call, design) if holder.runs or call.stage == "travelling" else ()),
            ):
                calls = (*holder.calls[:place], after, *holder.calls[place + 1 :])
                whose = name if holder.runs or call.stage == "travelling" else f"{name}, of a dead holder"
                yield Step(whose, _holder(state, number, holder._replace(calls=calls)), kind, wrong)
    if sum(holder.runs for holder in state.holders) < bounds.workers and len(state.holders) < bounds.holders:
        yield Step("a new incarnation starts", state._replace(holders=(*state.holders, Holder())))


# The citizen -----------------------------------------------------------------------------------------------------


def _citizen(state: State, number: int, design: Design, bounds: Bounds) -> Iterator[Step]:
    scope = state.scopes[number]
    if scope.epoch < bounds.epochs:
        if not scope.given and scope.period % 2 == 0:
            yield Step("consent is given", _scope(state, number, _given(scope)))
        if scope.given:
            yield Step("consent is renewed", _scope(state, number, scope._replace(epoch=scope.epoch + 1)))
            yield from _ending(state, number, design)
    if design.repeated == "answers":
        for waiting in scope.waiting:
            yield Step("the withdrawal is repeated: 200", _scope(state, number, _told(scope, waiting)))
    if design.repeated == "ends the newer" and scope.given and scope.told:
        ended = scope._replace(epoch=scope.epoch + 1, since=scope.epoch + 1, given=False)
        yield Step("the old withdrawal is repeated", _scope(state, number, ended))


def _given(scope: Scope) -> Scope:
    epoch = scope.epoch + 1
    return scope._replace(epoch=epoch, since=epoch, given=True, period=scope.period + 1)


def _ending(state: State, number: int, design: Design) -> Iterator[Step]:
    scope = state.scopes[number]
    locked = design.permits == "lock" and any(call.row == "open" for call in _calls(state))
    if design.counts_early and not scope.counted:
        seen = "some" if _in_the_way(state, number, scope.epoch + 1, design) else "none"
        yield Step("withdraw begins and counts", _scope(state, number, scope._replace(counted=seen)))
    elif not locked:
        for name, drains in (("withdraw commits", True), ("refusal commits", design.drains_refusals)):
            drained = scope.counted == "none" if design.counts_early else not (design.drains and drains)
            waiting = Waiting(scope.epoch + 1, scope.period, drained)
            after = scope._replace(
                epoch=waiting.epoch,
                since=waiting.epoch,
                given=False,
                waiting=(*scope.waiting, waiting),
                period=scope.period + 1,
                counted="",
            )
            yield Step(name, _scope(state, number, after))


# Consent: the drain, and the calls -------------------------------------------------------------------------------


def _drain(state: State, number: int, design: Design) -> Iterator[Step]:
    scope = state.scopes[number]
    for waiting in scope.waiting:
        if waiting.drained:
            yield Step("200", _scope(state, number, _told(scope, waiting)))
            continue
        in_the_way = _in_the_way(state, number, waiting.epoch, design)
        if not in_the_way:
            others = tuple(other if other != waiting else waiting._replace(drained=True) for other in scope.waiting)
            yield Step("a look finds no older permit", _scope(state, number, scope._replace(waiting=others)))
        for place, holder in enumerate(state.holders):
            if holder.known == "lives" and any(call.row == "late" and call in in_the_way for call in holder.calls):
                yield Step("a look orders the holder fenced", _holder(state, place, holder._replace(known="ordered")))


def _in_the_way(state: State, number: int, epoch: int, design: Design) -> list[Call]:
    """The open permits that a drain of this epoch waits for."""
    if design.permits != "counted":
        return []
    is_older = (lambda other: other == epoch - 1) if design.looks_at == "previous" else (lambda other: other < epoch)
    return [
        call
        for call in _calls(state)
        if call.is_open and is_older(call.epochs[number]) and not (design.ends_by_time and call.row == "late")
    ]


def _told(scope: Scope, waiting: Waiting) -> Scope:
    others = tuple(other for other in scope.waiting if other != waiting)
    return scope._replace(waiting=others, told=max(scope.told, waiting.ended))


Happening = tuple[str, Call, str, str]  # name, the call afterwards, kind, what is wrong


def _consent(state: State, holder: Holder, call: Call, design: Design) -> Iterator[Happening]:
    """What consent does with the calls that reach it, and what it forgets."""
    if call.row == "open" and design.permits == "counted":
        yield "the lease runs out", call._replace(row="late"), "", ""
    if call.row == "open" and design.permits == "lock":
        yield "the session with the database is lost", call._replace(row="freed"), LOST, ""
    if "acquire" in call.mail:
        if design.reads != "under the lock" and not call.early and not call.row:
            yield "acquire begins and reads", call._replace(early=_versions(state, design)), "", ""
        else:
            name, after, wrong = _acquired(state, holder, call, design)
            name = name.replace("arrives", "commits") if call.early else name
            yield from _delivered("acquire", name, after._replace(early=()), wrong)
    if "settle" in call.mail:
        after = call._replace(row=_settled(call, design))
        heard = after._replace(stage="done") if call.stage == "settling" else after
        yield from _delivered("settle", "settle arrives", heard, "")
        if call.stage == "settling":
            yield "settle arrives, its answer is lost", after.without("settle"), LOST, ""


def _delivered(message: str, name: str, after: Call, wrong: str) -> Iterator[Happening]:
    yield name, after.without(message), "", wrong
    yield f"{name}; a copy is under way", after, TWICE, wrong


def _acquired(state: State, holder: Holder, call: Call, design: Design) -> tuple[str, Call, str]:
    """An answer is for who still waits for it. That it is lost or late is the same as no longer waiting."""
    refused = call._replace(stage="done") if call.stage == "asked" else call
    granted = call._replace(stage="granted") if call.stage == "asked" else call
    if holder.known == "dead" and not design.dead_may_acquire:
        return "acquire arrives: the holder is dead", refused, ""
    if call.is_open:
        return "acquire arrives again: as before", granted, ""
    if call.row:
        return "acquire arrives: the id is used", refused, ""
    if all(_is_yes(scope, number, call, design) for number, scope in enumerate(state.scopes)):
        return "acquire arrives: granted", granted._replace(**_opened(state, call, design)), ""
    unbroken = all(
        scope.period % 2 == 1 and scope.period == period
        for scope, (_, period) in zip(state.scopes, call.arrived, strict=True)
    )
    wrong = "refused, though the citizen's yes is unbroken since the event arrived" if unbroken else ""
    return "acquire arrives: refused", refused, wrong


def _opened(state: State, call: Call, design: Design) -> dict[str, object]:
    now = _versions(state, design)
    read = [call.early[n] if call.early and n in design.reads_early else now[n] for n in range(len(now))]
    epochs = now if design.reads == "state before it" else read
    return {
        "row": "" if design.permits == "none" else "open",
        "epochs": () if design.permits == "none" else tuple(epoch for epoch, _ in epochs),
        "basis": tuple(period for _, period in read),
    }


def _versions(state: State, design: Design) -> tuple[tuple[int, int], ...]:
    """Each scope's epoch and period, as whoever reads now sees them."""
    return tuple((scope.epoch, scope.projected if design.projection else scope.period) for scope in state.scopes)


def _is_yes(scope: Scope, number: int, call: Call, design: Design) -> bool:
    arrived_epoch, arrived_period = call.arrived[number]
    if design.projection:
        return scope.projected % 2 == 1
    if call.early and number in design.reads_early:
        return call.early[number][1] == arrived_period
    if not scope.exists:
        return design.absent_is_yes
    covered = {
        "covered since": scope.since <= arrived_epoch,
        "equality": scope.epoch == arrived_epoch,
        "nothing": True,
    }
    return scope.given and covered[design.compares]


def _settled(call: Call, design: Design) -> str:
    """The row after a settle: settled for good, or, in a design that keeps no tombstone, as if it had never been."""
    kept = {"always": True, "never": False, "unknown ids": not call.row, "known ids": bool(call.row)}
    return call.row if call.is_final else "settled" if kept[design.tombstone] else ""


def _post(call: Call) -> Iterator[Happening]:
    for name in call.mail:
        yield f"{name} is lost", call.without(name), LOST, ""


# The holder, and its supervisor ----------------------------------------------------------------------------------


def _arrival(state: State, number: int, design: Design, bounds: Bounds) -> Iterator[Step]:
    holder = state.holders[number]
    if len(holder.calls) >= bounds.calls or any(call.stage not in {"done", "gone"} for call in holder.calls):
        return
    if design.projection:
        opens = all(scope.projected % 2 == 1 for scope in state.scopes)
    else:
        opens = all(scope.given or (design.absent_is_yes and not scope.exists) for scope in state.scopes)
    if opens:
        call = Call("asked", mail=("acquire",), arrived=_versions(state, design))
        after = _holder(state, number, holder._replace(calls=(*holder.calls, call)))
        yield Step("an event arrives, acquire is sent", after)


def _sender(state: State, call: Call, design: Design) -> Iterator[Happening]:
    """One disclosure at its holder: look at the lease, write, let the bytes leave, settle."""
    match call.stage:
        case "asked":
            yield "no answer in time: settles not_sent", call.settling(), "", ""
        case "granted":
            at_once = design.lease == "one instant"
            if at_once and call.row == "open":
                yield "the lease runs: written and gone at once", call.settling(), "", _wrong(state, call)
            if not at_once and (call.row != "late" or design.lease == "ignored"):
                looks = "does not look at the lease" if design.lease == "ignored" else "the lease runs"
                yield f"{looks}: goes on to write", call._replace(stage="checked"), "", ""
            yield "the lease is over: settles not_sent", call.settling(), "", ""
        case "checked":
            mail = ("settle",) if design.settles_early else ()
            after = call._replace(stage="buffered", mail=(*call.mail, *mail))
            yield "the bytes are written", after, "", ""
        case "buffered":
            after = call._replace(stage="settling") if design.settles_early else call.settling()
            yield "the bytes leave", after, "", _wrong(state, call)
            yield "the connection is cut", call.settling(), "", ""
        case "travelling":
            yield "the dead sender's bytes leave", call._replace(stage="gone"), "", _wrong(state, call)
        case "settling" if "settle" not in call.mail:
            yield "settle is sent again", call.settling(), "", ""


def _wrong(state: State, call: Call) -> str:
    """What is wrong with these bytes leaving now."""
    for scope, period in zip(state.scopes, call.basis, strict=True):
        if period % 2 == 0:
            return "disclosed without a yes"
        if period <= scope.told:
            return "disclosed after the 200"
    if any(period != basis for (_, period), basis in zip(call.arrived, call.basis, strict=False)):
        return "disclosed, though it arrived before a break"
    return ""


def _supervisor(state: State, number: int, design: Design) -> Iterator[Step]:
    holder = state.holders[number]
    if holder.runs:
        stage = {"buffered": "gone" if design.lingers else "travelling"}
        gone = tuple(call._replace(stage=stage.get(call.stage, "gone")) for call in holder.calls)
        after = _holder(state, number, holder._replace(runs=False, calls=gone))
        yield Step("the holder crashes", after, CRASH)
        if holder.known == "ordered":
            yield Step("the supervisor kills the holder", after, KILL)
    if holder.known != "dead" and (design.buries == "anybody" or (design.buries == "the dead" and not holder.runs)):
        ended = tuple(call._replace(row="dead", epochs=()) if call.is_open else call for call in holder.calls)
        after = _holder(state, number, holder._replace(known="dead", calls=ended))
        yield Step("the death is confirmed" if not holder.runs else "a living holder is confirmed dead", after)


# Bookkeeping -----------------------------------------------------------------------------------------------------


def _calls(state: State) -> Iterator[Call]:
    return (call for holder in state.holders for call in holder.calls)


def _scope(state: State, number: int, scope: Scope) -> State:
    return state._replace(scopes=(*state.scopes[:number], scope, *state.scopes[number + 1 :]))


def _holder(state: State, number: int, holder: Holder) -> State:
    return state._replace(holders=(*state.holders[:number], holder, *state.holders[number + 1 :]))


def tidied(state: State, design: Design) -> State:
    """The same state without what can matter no more: forgotten calls, messages that change nothing, the buried.

    Holders are alike, so they are sorted: states that differ in which of them it was are one.
    """
    holders = (_tidied_holder(holder, dead_may_acquire=design.dead_may_acquire) for holder in state.holders)
    return state._replace(holders=tuple(sorted(holder for holder in holders if holder is not None)))


@cache
def _tidied_holder(holder: Holder, *, dead_may_acquire: bool) -> Holder | None:
    buried = holder.known == "dead" and not dead_may_acquire
    calls = tuple(after for call in holder.calls if (after := _tidied(call, buried=buried)) is not None)
    return holder._replace(calls=calls) if calls or holder.runs or holder.known != "dead" else None


def _tidied(call: Call, *, buried: bool) -> Call | None:
    """An acquire of an id that has ended, or of a dead holder, is refused, and a settle of it changes nothing."""
    mail = call.mail
    if call.is_final or (buried and not call.is_open):
        mail = mail if call.stage == "settling" else ()
    ends = call.stage in {"settling", "done", "gone"}
    if ends and call.stage != "settling" and not call.is_open and not mail:
        return None
    return call._replace(
        mail=mail,
        epochs=call.epochs if call.is_open else (),
        basis=() if ends else call.basis,
        arrived=() if ends and "acquire" not in mail else call.arrived,
    )
