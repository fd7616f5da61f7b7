"""An audit log at the HTTP boundary, honest or not: leaves, batches and a signed checkpoint as its README says."""

import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import rfc8785
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "samtykkebro.test/audit"


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1 as it is written there: recursive, and shared with nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:])).digest()


def leaf(producer: str | None, number: int | None, **changed: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "log": ORIGIN,
        "id": uuid4().hex,
        "tenant": "101",
        "schema": "audit-entry/1",
        "type": "consent.granted",
        "action": "C",
        "outcome": "success",
        "actor_role": "citizen",
        "purposes": ["KOORDINERING"],
        "legal_basis": None,
        "notice_sha256": None,
        "retention_class": "lookup",
        "occurred_at": "2026-11-22T10:00:00Z",
        "recorded_at": "2026-11-22T10:00:01Z",
        "producer": producer,
        "generation": 1 if number else None,
        "lane": 3 if number else None,
        "number": number,
        "src": None,
        "gap": None,
        "sd": {"subject": "ab" * 32},
        **changed,
    }


def gap(kind: str, first: int, last: int) -> dict[str, Any]:
    missing = {"producer": "consent", "generation": 1, "lane": 3, "first": first, "last": last}
    return leaf("audit-log", None, type=kind, schema="audit-log/1", gap=missing)


@dataclass
class LogDouble:
    """Build with `append`, sign with `sign`, serve with `serving`; spoil any attribute in between."""

    leaves: list[bytes] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""
    page: int = 3
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.batches.append({"tree_size": 0, "prev_size": None, "root": b64(root(()))})

    @property
    def vkey(self) -> str:
        public = b"\x01" + self.key.public_key().public_bytes_raw()
        return f"{ORIGIN}+{self._key_id().hex()}+{b64(public)}"

    def append(self, *entries: dict[str, Any]) -> None:
        before = len(self.leaves)
        self.leaves += [rfc8785.dumps(entry) for entry in entries]
        self.batches.append({"tree_size": len(self.leaves), "prev_size": before, "root": b64(root(self.leaves))})

    def sign(self, leaves: Sequence[bytes] | None = None, *, size: int | None = None) -> str:
        signed = self.leaves if leaves is None else leaves
        text = f"{ORIGIN}\n{len(signed) if size is None else size}\n{b64(root(signed))}\n"
        signature = self._key_id() + self.key.sign(text.encode())
        self.note = f"{text}\n— {ORIGIN} {b64(signature)}\n"
        return self.note

    def _key_id(self) -> bytes:
        public = b"\x01" + self.key.public_key().public_bytes_raw()
        return hashlib.sha256(ORIGIN.encode() + b"\n" + public).digest()[:4]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/v1/log-key", self._key)
        app.router.add_get("/v1/checkpoint", self._checkpoint)
        app.router.add_get("/v1/leaves", self._leaves)
        app.router.add_get("/v1/batches", self._batches)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield "http://127.0.0.1:" + str(runner.addresses[0][1])
        finally:
            await runner.cleanup()

    async def _key(self, _: web.Request) -> web.Response:
        return web.json_response({"origin": ORIGIN, "vkey": self.vkey})

    async def _checkpoint(self, _: web.Request) -> web.Response:
        return web.Response(text=self.note)

    async def _leaves(self, request: web.Request) -> web.Response:
        if request.headers["authorization"] != "Bearer auditor":
            return web.Response(status=403)
        start = int(request.query["from"])
        end = start + self.page
        shown = [{"index": start + n, "leaf": b64(raw)} for n, raw in enumerate(self.leaves[start:end])]
        following = end if end < len(self.leaves) else None
        return web.json_response({"size": len(self.leaves), "leaves": shown, "next": following})

    async def _batches(self, request: web.Request) -> web.Response:
        start = int(request.query["from"])
        found = [batch for batch in self.batches if batch["tree_size"] >= start]
        following = found[self.page]["tree_size"] if len(found) > self.page else None
        return web.json_response({"batches": found[: self.page], "next": following})
