"""The edits that make a test build observable and breakable: recorder, fail points, clock. None changes what is done.

Each edit puts a call of `tests.faults.probe` at one place. The places of `FAIL_POINTS` are those at which a process is
killed or stopped: between two steps of the protocol that a crash may separate.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tests.builds import Edit

# Fail point → the service or process in which it is reached, and between which two steps it lies.
FAIL_POINTS: Mapping[str, str] = MappingProxyType(
    {
        "permit-committed": "consent-api: the permit is committed, the answer not sent",
        "withdrawal-committed": "consent-api: the withdrawal is committed, nobody was answered",
        "drain-committed": "consent: it is written down that it is drained, nobody was answered",
        "permit-held": "advis: the permit has arrived, nothing is written",
        "lease-checked": "advis-api: the lease was looked at, the first byte is not written",
        "answer-written": "advis-api: the bytes are written, nothing is settled",
        "bell-connected": "advis-worker: the lease was looked at, the first byte of the doorbell is not written",
        "bell-rung": "advis-worker: the doorbell has rung, nothing is settled",
        "settle-due": "advis: the outcome is recorded, the permit not settled",
        "relay-numbered": "any relay: numbers are committed, nothing is published",
        "relay-acknowledged": "any relay: the bus has the records, the mark is not moved",
        "consumer-committed": "any consumer: the work and the position are committed, the bus is told nothing",
    }
)
ABOUT_SOMEBODY = frozenset({"permit-held", "lease-checked", "answer-written", "bell-connected", "bell-rung"})
STOPPABLE = ("lease-checked", "answer-written", "bell-connected", "bell-rung", "permit-held", "settle-due")
# Said in full at each place: an import of our own would need another text to stand beside.
_PROBE = '__import__("tests.faults.probe", fromlist=["probe"]).'


def _edit(file: str, old: str, new: str) -> Edit:
    return Edit(file, old, new.replace("probe.", _PROBE))


_CONSENT = (
    _edit(
        "services/consent/scopes/scopes.py",
        "    await scopes_store.bump(session, epochs)\n",
        "    await scopes_store.bump(session, epochs)\n    probe.bumped(epochs, now)\n",
    ),
    _edit(
        "services/consent/fence/permits.py",
        "    await append(session, fence_audit.of_acquire(opened, refused, now))\n",
        "    await append(session, fence_audit.of_acquire(opened, refused, now))\n    probe.opened(opened, now)\n",
    ),
    _edit(
        "services/consent/fence/api.py",
        "    return _json(ArrivalsAnswer(",
        "    probe.arrived(found.answers)\n    return _json(ArrivalsAnswer(",
    ),
    _edit(
        "services/consent/fence/api.py",
        "    return _json(AcquireAnswer(granted=tuple(granted)))\n",
        '    probe.committed(granted)\n    if granted:\n        probe.point("permit-committed")\n'
        "    return _json(AcquireAnswer(granted=tuple(granted)))\n",
    ),
    _edit(
        "services/consent/drains/drain.py",
        "    deadline = time.monotonic() + limits.wait_ms / 1000\n",
        '    probe.point("withdrawal-committed")\n    deadline = time.monotonic() + limits.wait_ms / 1000\n',
    ),
    _edit(
        "services/consent/drains/drain.py",
        "        await _write_drained(database, withdrawal)\n        return True\n",
        "        await _write_drained(database, withdrawal)\n"
        '        probe.point("drain-committed")\n        return True\n',
    ),
)
_ADVIS = (
    _edit(
        "services/advis/disclosure/permits.py",
        "        refused = tuple(about",
        '        if shown:\n            probe.point("permit-held", shown)\n        refused = tuple(about',
    ),
    _edit(
        "services/advis/disclosure/response.py",
        "        wire.hold()\n",
        "        wire.hold()\n        if self.disclosure.settle.__self__.shown:\n"
        '            probe.point("lease-checked", self.disclosure.settle.__self__.shown)\n'
        "        probe.writing(self.disclosure)\n",
    ),
    _edit(
        "services/advis/disclosure/response.py",
        "            if await wire.drained(self.disclosure.ends_at_s):\n",
        "            if self.disclosure.settle.__self__.shown:\n"
        '                probe.point("answer-written", self.disclosure.settle.__self__.shown)\n'
        "            if await wire.drained(self.disclosure.ends_at_s):\n",
    ),
    _edit(
        "services/advis/disclosure/response.py",
        "            wire.release()\n",
        "            wire.release()\n            probe.written(self.disclosure, reach)\n",
    ),
    _edit(
        "services/advis/doorbells/sender.py",
        "        line.connected = True\n",
        '        line.connected = True\n        probe.at_bell("bell-connected")\n        probe.ringing()\n',
    ),
    _edit("services/advis/doorbells/sender.py", "datetime.now(UTC)", "probe.now()"),
    _edit(
        "services/advis/doorbells/worker.py",
        "        answer = Answer(Reach.UNKNOWN)\n",
        "        answer = Answer(Reach.UNKNOWN)\n        probe.will_ring(item, bell)\n",
    ),
    _edit(
        "services/advis/doorbells/worker.py",
        "            granted.settle_one(item, Reach(answer.reach))\n",
        '            probe.at_bell("bell-rung")\n            probe.rung(answer.reach)\n'
        "            granted.settle_one(item, Reach(answer.reach))\n",
    ),
    _edit("services/advis/disclosure/settlements.py", "datetime.now(UTC)", "probe.now()"),
    _edit(
        "services/advis/disclosure/settlements.py",
        "                self._ready.extend(new)\n",
        '                if new:\n                    probe.point("settle-due")\n'
        "                self._ready.extend(new)\n",
    ),
    _edit("services/advis/ingestion/api.py", "datetime.now(UTC)", "probe.now()"),
)
_SHARED = (
    _edit(
        "libs/common/outbox/relay.py",
        "        while records:\n            try:\n",
        '        probe.point("relay-numbered")\n        while records:\n            try:\n',
    ),
    _edit(
        "libs/common/outbox/relay.py",
        "        self._delay_s = 0.0\n        last =",
        '        probe.point("relay-acknowledged")\n        self._delay_s = 0.0\n        last =',
    ),
    _edit(
        "libs/common/consuming/consumer.py",
        "handle(session, admitted, prepared)\n",
        'handle(session, admitted, prepared)\n        probe.point("consumer-committed")\n',
    ),
    _edit(
        "libs/common/running/process.py", "    become_child()\n", "    become_child()\n    probe.shift_the_clock()\n"
    ),
)
EDITS = (*_CONSENT, *_ADVIS, *_SHARED)
