"""Reading entries with what they commit to: for the data protection officer, and for the citizen about themselves.

1. A read of this kind is itself an entry (R20): search and criteria are recorded in the transaction that reads, so
   there is no answer without its record. It goes the way of every entry: outbox, bus, log.
2. The record names the person searched for by `borger_id`, as its subject; a member of staff searched for only by
   the reference of their key, so that the record keeps nothing of them once they are erased.
3. A citizen sees what was done, when, by which unit and for what purpose: never by whom (CJEU C-579/21).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from uuid import UUID, uuid4

from libs.common.database.database import WriteSession
from libs.common.observing.log import get_logger
from libs.common.outbox.outbox import append, audit_message
from libs.common.running.sweep import Readable, readable
from libs.common.wire.messages import AuditEntry, seconds
from services.audit.keys import store as keys_store
from services.audit.keys.keyring import Keyring
from services.audit.leaves.entry import CITIZEN, Person
from services.audit.log.entries_store import Filter, find_entries
from services.audit.log.opened import Entry, keys_of, read_entry

PRODUCER = "audit"


@dataclass(frozen=True, slots=True)
class Search:
    """The officer's question. Times are aware; `below` is where the page before ended."""

    subject: UUID | None = None
    actor: str | None = None
    type: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, in whose name it is recorded. `unit`: the one they act in now (R37)."""

    actor: str
    role: str
    unit: str | None
    correlation_id: str | None


async def search_entries(
    session: WriteSession, search: Search, reader: Reader, *, keyring: Keyring, now: datetime, limit: int
) -> Readable[Entry]:
    """Entries that match, newest first; the search is recorded whether or not it finds anything."""
    persons = [Person("subject", str(search.subject))] if search.subject else []
    persons += [Person("actor", search.actor)] if search.actor else []
    refs = await keyring.refs(session, persons)
    objects = _criteria(search, refs)
    record = _record(reader, "entries.searched", now, subject=search.subject, objects=objects)
    await append(session, [audit_message(PRODUCER, record)])
    if len(refs) < len(persons):
        return Readable.of((), 0)  # somebody of whom there is nothing
    wanted = Filter(
        refs=tuple(refs.values()),
        type=search.type,
        after=seconds(search.after) if search.after else None,
        before=seconds(search.before) if search.before else None,
        below=search.below,
    )
    return await _read(session, wanted, keyring=keyring, limit=limit)


async def record_refusal(
    session: WriteSession, subject: UUID, reader: Reader, *, keyring: Keyring, now: datetime
) -> None:
    """Record that somebody was refused a search about a person; a subject of whom there is nothing is not named."""
    known = await keyring.refs(session, [Person("subject", str(subject))])
    record = _record(reader, "entries.searched", now, subject=subject if known else None, outcome="refused")
    await append(session, [audit_message(PRODUCER, record)])


async def own_entries(
    session: WriteSession,
    borger_id: UUID,
    *,
    keyring: Keyring,
    now: datetime,
    limit: int,
    below: int | None,
    correlation_id: str | None,
) -> Readable[Entry]:
    """What was done about this citizen, newest first."""
    me = Person("subject", str(borger_id))
    reader = Reader(CITIZEN, CITIZEN, None, correlation_id)
    await append(session, [audit_message(PRODUCER, _record(reader, "entries.own_read", now, subject=borger_id))])
    refs = await keyring.refs(session, [me])
    if me not in refs:
        return Readable.of((), 0)
    return await _read(session, Filter(refs=(refs[me],), below=below), keyring=keyring, limit=limit)


def _criteria(search: Search, refs: Mapping[Person, UUID]) -> dict[str, str]:
    staff = next((str(ref) for person, ref in refs.items() if person.kind == "actor"), "none")
    criteria = {
        "searched_actor_ref": staff if search.actor else None,
        "searched_type": search.type,
        "searched_after": seconds(search.after) if search.after else None,
        "searched_before": seconds(search.before) if search.before else None,
        "searched_below": None if search.below is None else str(search.below),
    }
    return {name: value for name, value in criteria.items() if value}


async def _read(session: WriteSession, wanted: Filter, *, keyring: Keyring, limit: int) -> Readable[Entry]:
    found = await find_entries(session, wanted, limit)
    wrapped = await keys_store.load_keys(session, {sealed.ref for one in found for sealed in one.openings})
    keys = keys_of(keyring.vault, wrapped)
    entries = readable(found, lambda one: read_entry(one, keys), name="entries")
    for entry in entries:
        if entry.mismatched:
            get_logger().error("opening_mismatched", offset=entry.index)
    return entries


def _record(
    reader: Reader,
    kind: str,
    now: datetime,
    *,
    subject: UUID | None,
    objects: Mapping[str, str] = MappingProxyType({}),
    outcome: Literal["success", "refused"] = "success",
) -> AuditEntry:
    return AuditEntry(
        id=uuid4(),
        type=kind,
        action="R",
        outcome=outcome,
        occurred_at=now,
        subject=subject,
        actor=reader.actor,
        actor_role=reader.role,
        unit=reader.unit,
        objects=dict(objects),
        correlation_id=reader.correlation_id,
    )
