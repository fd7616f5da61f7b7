"""Verifies the whole audit log from outside: everything is fetched, hashed again, and compared with what was signed.

Rules:
- No code is shared with the log. The log's key should come from elsewhere (`vkey`); without it the log's own word is
  taken and the verdict says so.
- A checkpoint that was kept from an earlier day is what finds a log that was rewritten and signed again: the tree of
  that size must have the root that was signed then.
- 1. signature of the checkpoint; 2. each batch follows the one before; 3. each leaf is canonical and its number new;
  4. the tree over the leaves has each batch's root, the checkpoint's root and the kept checkpoint's; 5. no number is
  missing.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from libs.cli.verifying.audit_leaves import Gap, Lanes, LeafError, parse_leaf
from libs.cli.verifying.audit_note import Checkpoint, NoteError, NoteFormError, VerifierKey, open_checkpoint
from libs.cli.verifying.audit_tree import Frontier
from libs.common.http.client import RefusedError, ServiceClient, UnreachableError

INTEGRITY, GAP = 2, 3  # exit codes
PAGE: Final = 2_000  # leaves or batches in one call
FINDINGS_MAX: Final = 20
TIMEOUT_S: Final = 30.0


class LogUnreadableError(Exception):
    """The log did not answer as a log does; nothing is said about its integrity."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `signed` leaves of `leaves` are covered by the checkpoint; `findings` say what does not hold."""

    origin: str
    leaves: int
    signed: int
    root: str
    lanes: int
    findings: tuple[str, ...]
    gaps: tuple[Gap, ...]
    key_from_log: bool

    @property
    def intact(self) -> bool:
        """Whether everything holds and nothing is missing."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 all holds, 2 something does not, 3 numbers are missing."""
        return INTEGRITY if self.findings else GAP if self.gaps else 0


async def verify_log(url: str, token: str, *, vkey: str | None = None, known: str | None = None) -> Verdict:
    """As `verify_with`, for the log at `url`, read with a token of role dpo or auditor."""
    async with ServiceClient(url, bearer=token, timeout_s=TIMEOUT_S) as client:
        return await verify_with(client, vkey=vkey, known=known)


async def verify_with(client: ServiceClient, *, vkey: str | None = None, known: str | None = None) -> Verdict:
    """Verifies the log that `client` speaks to.

    `vkey` is the log's key from a place one trusts; `known` the text of a checkpoint kept from an earlier day.
    Raises LogUnreadableError when the log cannot be read.
    """
    log = _Log(client)
    key_text = vkey or str((await log.json("/v1/log-key")).get("vkey"))
    note = await log.text("/v1/checkpoint")
    try:
        key = VerifierKey.parse(key_text)
        audit = _Audit(open_checkpoint(note, key), _kept(known, key))
    except NoteError as error:
        return Verdict("", 0, 0, "", 0, (str(error),), (), key_from_log=vkey is None)
    try:
        async for batch in log.items("/v1/batches", "batches"):
            audit.batch(batch)
        async for leaf in log.items("/v1/leaves", "leaves", until=audit.size):
            audit.leaf(leaf)
    except (KeyError, TypeError, ValueError) as error:
        raise LogUnreadableError("a batch or a leaf is not in the form that a log answers with") from error
    return audit.verdict(key_from_log=vkey is None)


def _kept(known: str | None, key: VerifierKey) -> Checkpoint | None:
    try:
        return None if known is None else open_checkpoint(known, key)
    except NoteFormError as error:
        raise LogUnreadableError(f"of the checkpoint kept from before, {error}") from error


class _Log:
    """The log's HTTP answers, as far as a verifier needs them."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def text(self, path: str) -> str:
        try:
            return (await self._client.call("GET", path, idempotent=True)).text
        except (UnreachableError, RefusedError) as error:
            raise LogUnreadableError(f"{path}: {error}") from error

    async def json(self, path: str, **query: int) -> dict[str, Any]:
        try:
            answer = await self._client.get(path, params=query)
        except (UnreachableError, RefusedError) as error:
            raise LogUnreadableError(f"{path}: {error}") from error
        if not isinstance(answer, dict):
            raise LogUnreadableError(f"{path} answered something else")
        return answer

    async def items(self, path: str, member: str, until: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """Every item of a paged answer; stops at index `until`."""
        start: int | None = 0
        while start is not None and (until is None or start < until):
            page = await self.json(path, **{"from": start, "limit": PAGE})
            for item in page[member]:
                if until is not None and item["index"] >= until:
                    return
                yield item
            start = _next(page, start)


class _Audit:
    """The work itself, item by item, in constant memory but for the roots that are expected."""

    def __init__(self, checkpoint: Checkpoint, kept: Checkpoint | None) -> None:
        self.size = 0
        self._checkpoint = checkpoint
        self._tree = Frontier()
        self._lanes = Lanes()
        self._ids: set[str] = set()
        self._findings: list[str] = []
        self._expected: dict[int, list[tuple[str, bytes]]] = {}
        self._last_batch: int | None = None
        self._expect(checkpoint.size, "the signed checkpoint", checkpoint.root)
        if kept is not None:
            self._expect(kept.size, "the checkpoint kept from before", kept.root)

    def batch(self, batch: Mapping[str, Any]) -> None:
        """One batch row: it must follow the last one; its root is expected of the tree."""
        size, previous = int(batch["tree_size"]), batch["prev_size"]
        if previous != self._last_batch or (previous is not None and size <= previous):
            self._find(f"the batch of size {size} does not follow the batch of size {self._last_batch}")
        self._last_batch = size
        self._expect(size, f"the batch of size {size}", _decoded(batch["root"]))

    def leaf(self, item: Mapping[str, Any]) -> None:
        """One leaf, hashed as it is and then read."""
        index, raw = self._tree.size, _decoded(item["leaf"])
        if item["index"] != index:
            self._find(f"leaf {item['index']} was given where leaf {index} belongs")
        self._tree.append(raw)
        self._compare()
        try:
            leaf = parse_leaf(raw, self._checkpoint.origin)
            if leaf["id"] in self._ids:
                raise LeafError("another leaf has its id")
            self._ids.add(leaf["id"])
            self._lanes.add(leaf)
        except LeafError as error:
            self._find(f"leaf {index}: {error}")

    def verdict(self, *, key_from_log: bool) -> Verdict:
        """All items are in: what was expected of a size that was never reached is missing."""
        for size, claims in sorted(self._expected.items()):
            self._find(f"the log ends at {self._tree.size} leaves, but {claims[0][0]} covers {size}")
        return Verdict(
            origin=self._checkpoint.origin,
            leaves=self._tree.size,
            signed=self._checkpoint.size,
            root=self._checkpoint.root.hex(),
            lanes=len(self._lanes),
            findings=tuple(self._findings[:FINDINGS_MAX]),
            gaps=self._lanes.gaps(),
            key_from_log=key_from_log,
        )

    def _expect(self, size: int, claim: str, root: bytes) -> None:
        self.size = max(self.size, size)
        self._expected.setdefault(size, []).append((claim, root))
        if size == 0:
            self._compare()

    def _compare(self) -> None:
        for claim, root in self._expected.pop(self._tree.size, ()):
            if root != self._tree.root:
                self._find(f"the {self._tree.size} leaves do not hash to the root of {claim}")

    def _find(self, finding: str) -> None:
        self._findings.append(finding)


def _next(page: Mapping[str, Any], start: int) -> int | None:
    following = page["next"]
    if following is None:
        return None
    if int(following) <= start:
        raise LogUnreadableError(f"the log does not move on from {start}")
    return int(following)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise LogUnreadableError("a hash or a leaf is not base64") from error
