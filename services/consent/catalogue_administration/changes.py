"""Changes to reference data by an administrator (R35, R36, R40): planned without a transaction, written in a short one.

1. What is planned rests on one revision. Written is only what still rests on it; else it is planned anew.
2. The whole catalogue is checked as the loaded files are, and the changed entry by the linter, before anything is
   written.
3. One row of audit per change, about nobody. The new revision is what every other process reads with its next
   statement.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from libs.common.database.database import ReadSession, WriteSession, clock
from libs.common.outbox.outbox import append, audit_message
from libs.common.wire.messages import AuditEntry
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.entries import Catalogue, Entry
from services.consent.catalogue.form import KINDS, RawEntry, build
from services.consent.catalogue_administration import store as catalogue_administration_store
from services.consent.catalogue_administration.history import Edit
from services.consent.catalogue_administration.lint import Finding, lint
from services.consent.http import idempotency_store
from services.consent.http.audit import PRODUCER, Actor
from services.consent.http.idempotency_store import Answer
from services.consent.model.calendar import danish_date

API = "api"
"""The origin of what an administrator made; files never touch it (`catalogue_loading`)."""


class MovedError(Exception):
    """The catalogue changed since this was planned: plan it again."""


class LintError(Exception):
    """The linter refuses the entry."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(str(findings[0].rule))
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """One change. `act`: what it is, for the record; `key` and `sha256`: its idempotency."""

    actor: Actor
    act: str
    kind: str
    code: str
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class CatalogueState:
    """The catalogue at one revision, as rows and as values. `today`: the Danish day."""

    raw: tuple[RawEntry, ...]
    catalogue: Catalogue
    today: date

    def rows(self, kind: str, code: str) -> list[RawEntry]:
        """The versions of an entry as they are stored, ascending."""
        found = [row for row in self.raw if (row.kind, row.body["code"]) == (kind, code)]
        return sorted(found, key=lambda row: int(row.body["version"]))

    def versions(self, kind: str, code: str) -> tuple[Entry, ...]:
        """The versions of an entry as values, ascending."""
        kinds: dict[str, dict[str, tuple[Entry, ...]]] = {name: getattr(self.catalogue, name) for name in KINDS}
        return kinds[kind].get(code, ())


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows that a change writes, and the revision before and after it."""

    before: int
    after: CatalogueState
    added: RawEntry | None
    ended: tuple[RawEntry, ...]
    findings: tuple[Finding, ...] = ()


async def read(session: ReadSession) -> CatalogueState:
    """The catalogue now."""
    now = await clock(session)
    raw = tuple(await catalogue_store.entries(session))
    return CatalogueState(raw, build(raw), danish_date(now))


async def answered(session: ReadSession, request: CatalogueChange) -> Answer | None:
    """What this key was answered before. Raises KeyReusedError when it was for another request."""
    return await idempotency_store.answered(session, _owner(request), request.key, request_sha256=request.sha256)


def plan(state: CatalogueState, request: CatalogueChange, edit: Edit, body: dict[str, Any] | None = None) -> Plan:
    """What `edit`, and the body of the version it adds, make of the catalogue.

    Raises CatalogueError for a contradiction, LintError for what the linter refuses.
    """
    made = tried(state, (request.kind, request.code), edit, body)
    if made.findings:
        raise LintError(made.findings)
    return made


def tried(state: CatalogueState, entry: tuple[str, str], edit: Edit, body: dict[str, Any] | None) -> Plan:
    """The same, with what the linter says of the version that is added. Raises CatalogueError."""
    kind, code = entry
    rows = {row.body["version"]: row for row in state.rows(kind, code)}
    ended = {id(rows[version]): _ending(rows[version], end) for version, end in edit.ends.items()}
    added = None
    if edit.version is not None and body is not None:
        added = RawEntry(kind, {**body, "code": code, "version": edit.version}, origin=API)
    raw = tuple(ended.get(id(row), row) for row in state.raw) + (() if added is None else (added,))
    after = CatalogueState(raw, build(raw), state.today)
    findings = () if added is None else lint(after.versions(kind, code)[-1], after.catalogue)
    return Plan(state.catalogue.revision, after, added, tuple(ended.values()), findings)


async def write(
    session: WriteSession, request: CatalogueChange, planned: Plan, shape: Callable[[CatalogueState], dict[str, Any]]
) -> Answer:
    """Write what was planned, once. Raises MovedError when the catalogue has changed since, KeyReusedError."""
    now = await clock(session)
    first = await idempotency_store.claim(session, _owner(request), request.key, request_sha256=request.sha256, now=now)
    if first is not None:
        return first
    if await catalogue_administration_store.lock_revision(session) != planned.before:
        raise MovedError
    if planned.added is not None:
        await catalogue_administration_store.add(session, planned.added)
    for row in planned.ended:
        await catalogue_administration_store.end(session, row)
    await catalogue_administration_store.set_revision(session, planned.after.catalogue.revision)
    await append(session, [audit_message(PRODUCER, _entry(request, planned, now))])
    answer = Answer(200 if planned.added is None else 201, shape(planned.after))
    await idempotency_store.complete(
        session, _owner(request), request.key, status=answer.status, response=answer.response
    )
    return answer


def _ending(row: RawEntry, end: date | None) -> RawEntry:
    return replace(row, body={**row.body, "valid_to": None if end is None else end.isoformat()}, ended=True)


def _owner(request: CatalogueChange) -> str:
    return f"administrator:{request.actor.name}"


def _entry(request: CatalogueChange, planned: Plan, now: datetime) -> AuditEntry:
    """`catalogue.changed`: codes and numbers; no words, and no person."""
    version = planned.added or planned.ended[0]
    return AuditEntry(
        id=uuid4(),
        type="catalogue.changed",
        action="C" if planned.added is not None else "U",
        outcome="success",
        occurred_at=now,
        actor=request.actor.name,
        actor_role=request.actor.role,
        objects={
            "kind": request.kind,
            "code": request.code,
            "version": str(version.body["version"]),
            "revision": str(planned.after.catalogue.revision),
        },
        reason=request.act,
        correlation_id=request.actor.correlation_id,
        retention_class="consent_evidence",
    )
