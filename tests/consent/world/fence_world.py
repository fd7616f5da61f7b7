"""A consent database with people, consents and holders in it, driven below HTTP: what the fence's tests act on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from joserfc.jwk import OKPKey

from libs.common.database.database import Database, WriteSession, driver
from libs.common.wire.permits import Permit, PermitItem, Revealed, SettleItem
from services.consent.catalogue import store as catalogue_store
from services.consent.catalogue.form import RawEntry, build
from services.consent.commands.requests import Request
from services.consent.consents import store as consents_store
from services.consent.consents.consent import ClosedReason, Consent, Declaration, Status, close
from services.consent.drains import drain
from services.consent.drains import store as drains_store
from services.consent.drains.drain import DrainLimits
from services.consent.drains.store import Withdrawal
from services.consent.fence import holders, permits
from services.consent.http.audit import Actor
from services.consent.http.signing import Signer
from services.consent.model.acting import Giver, Method, Role
from services.consent.model.scope import ScopeKey
from services.consent.refusals import commands as refusals_commands
from services.consent.scopes import scopes
from services.consent.withdrawals import commands as withdrawals_commands

LEASE_MS = 5_000
LIMITS = DrainLimits(margin_ms=500, wait_ms=300, poll_ms_min=5, poll_ms_max=20)
HOLDER_UNIT, RECIPIENT, PURPOSE = "BIF-JOBINDSATS", "SOF-BCV", "KOORDINERING"
EVENT, CATEGORY = "bif.forloeb.udeblevet", "FREMMOEDE"
FAMILY = ("SOF-BCH", "BIF-JOBINDSATS", "FAMILIEINDSATS")  # holder, recipient, purpose
FAMILY_EVENT = "sof.boernesag.aabnet"
CITIZEN = Actor(name="citizen", role="citizen")


@dataclass(frozen=True)
class World:
    """One database, and short names for everything that happens in it."""

    database: Database
    url: str
    owner_url: str
    signer: Signer

    @classmethod
    def on(cls, url: str, owner_url: str) -> "World":
        key = OKPKey.generate_key("Ed25519", {"kid": "test"})
        return cls(Database(url, application_name="fence-test"), url, owner_url, Signer((key,), "http://consent.test"))

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[asyncpg.Connection]:
        """A session of the owner, for what no handler does."""
        session = await asyncpg.connect(self.owner_url.replace("+asyncpg", ""))
        try:
            yield session
        finally:
            await session.close()

    async def value(self, query: str, *arguments: Any) -> Any:
        async with self.raw() as session:
            return await session.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: Any) -> None:
        async with self.raw() as session:
            await session.execute(query, *arguments)

    async def write(self, work: Callable[[WriteSession], Awaitable[Any]]) -> Any:
        async with self.database.write() as session:
            return await work(session)

    async def own(self, work: Callable[[WriteSession], Awaitable[Any]]) -> Any:
        """As the owner of the tables, who alone loads the catalogue and raises the generation."""
        owner = Database(self.owner_url, application_name="fence-test owner")
        async with owner.write() as session:
            answer = await work(session)
        await owner.close()
        return answer

    async def citizen(self, *, age: int = 40, parents: Sequence[UUID] = ()) -> UUID:
        borger_id = uuid4()
        born = date(datetime.now(UTC).year - age, 1, 1)
        await self.execute(
            "INSERT INTO citizen VALUES ($1, $2, '1', $3, '1', $4, NULL, NULL, now())",
            *(borger_id, borger_id.bytes, b"sealed", born),
        )
        for parent in parents:
            await self.execute(
                "INSERT INTO custody (child, holder, valid_from) VALUES ($1, $2, '2020-01-01Z')", borger_id, parent
            )
        return borger_id

    async def event_type(self, code: str, **changes: Any) -> None:
        """Publish one more event type, like the one that these tests use but for `changes`."""

        async def publish(session: WriteSession) -> None:
            raw = await catalogue_store.entries(session)
            like = next(entry for entry in raw if entry.body["code"] == EVENT)
            raw.append(RawEntry(like.kind, {**like.body, "code": code, **changes}))
            await catalogue_store.save(session, raw, build(raw).revision)

        await self.own(publish)

    async def holder(self, slot: str = "up-advis/api") -> UUID:
        holder_id = uuid4()
        await self.write(lambda s: holders.register(s, holder_id, slot, slot.partition("/")[0], secret="s" * 43))
        return holder_id

    async def grant(self, borger_id: UUID, **changes: Any) -> Consent:
        """A consent in force, written through the one door to what decides; the same question is superseded."""
        consent = a_consent(borger_id, datetime.now(UTC), **changes)
        given: list[Consent] = []

        async def mutate_in(session: WriteSession, now: datetime) -> None:
            pair = (consent.holder_unit, consent.recipient_unit)
            for old in await consents_store.open_for(session, borger_id, consent.purpose, pair):
                closed = close(old, ClosedReason.SUPERSEDED)
                await consents_store.replace(session, old, closed, at=now, actor_kind="citizen")
            given.append(replace(consent, given_at=now, valid_from=now))
            await consents_store.add(session, given[0], at=now, actor_kind="citizen")

        key = ScopeKey(borger_id, consent.purpose, consent.recipient_unit)
        await self.write(lambda s: scopes.change(s, [key], lambda now: mutate_in(s, now)))
        return given[0]

    async def withdraw(self, consent: Consent, *, key: str | None = None) -> Withdrawal:
        """The registering half only; `drained` is the other."""
        request = self.request(consent.borger_id, key, f"withdraw {consent.consent_id}")
        return await self.write(
            lambda s: withdrawals_commands.withdraw_consent(s, self.signer, request, consent.consent_id)
        )

    async def refuse(self, borger_id: UUID, *, key: str | None = None) -> Withdrawal:
        request = self.request(borger_id, key, "refuse")
        return await self.write(
            lambda s: refusals_commands.refuse(s, self.signer, request, purpose=PURPOSE, recipient_unit=RECIPIENT)
        )

    def request(self, borger_id: UUID, key: str | None = None, body: str = "") -> Request:
        return Request(borger_id, Giver(borger_id, "Substantial", Role.SELF), CITIZEN, key, body, uuid4)

    async def drained(self, withdrawal: Withdrawal, limits: DrainLimits = LIMITS) -> bool:
        """One whole drain, from the withdrawal as it stands."""
        async with self.database.read() as session:
            current = await drains_store.read(session, withdrawal.borger_id, withdrawal.withdrawal_id)
        assert current is not None
        return await drain.drain(self.database, current, limits)

    async def epoch(self, borger_id: UUID, purpose: str = PURPOSE, recipient: str = RECIPIENT) -> int:
        query = "SELECT epoch FROM scope WHERE borger_id = $1 AND purpose = $2 AND recipient_unit = $3"
        async with self.database.read() as session:
            return int(await driver(session).fetchval(query, borger_id, purpose, recipient))

    async def item(self, borger_id: UUID, **changes: Any) -> PermitItem:
        """What a notification of an event that arrives now would ask for."""
        told = Revealed(borger_id=borger_id, category=CATEGORY, epoch=await self.epoch(borger_id))
        return an_item(told).model_copy(update=changes)

    async def acquire(self, holder_id: UUID, *items: PermitItem, longest_ms: int = LEASE_MS) -> list[Permit]:
        return await self.write(lambda s: permits.acquire(s, holder_id, items, longest_ms=longest_ms))

    async def settle(self, holder_id: UUID, *permit_ids: UUID, outcome: str = "disclosed") -> None:
        items = [SettleItem(permit_id=permit_id, outcome=outcome) for permit_id in permit_ids]
        await self.write(lambda s: permits.settle(s, holder_id, items))

    async def die(self, holder_id: UUID, *, supervisor: str | None = "up-advis", proof: str = "reaped") -> None:
        actor = supervisor or "op1"
        await self.write(lambda s: holders.confirm_death(s, holder_id, supervisor=supervisor, actor=actor, proof=proof))

    async def state(self, permit_id: UUID) -> str | None:
        return await self.value("SELECT state FROM permit WHERE permit_id = $1", permit_id)

    async def entries(self, kind: str) -> int:
        return int(await self.value("SELECT count(*) FROM outbox WHERE type = $1", kind))

    async def age(self, permit_id: UUID, seconds: float) -> None:
        """Let a permit's lease have ended `seconds` ago, without waiting for it."""
        await self.execute(
            "UPDATE permit SET lease_until = clock_timestamp() - $2::interval WHERE permit_id = $1",
            *(permit_id, timedelta(seconds=seconds)),
        )

    @asynccontextmanager
    async def uncommitted(self, work: Callable[[WriteSession], Awaitable[Any]]) -> AsyncIterator[Any]:
        """`work` done and its locks held, for as long as the test takes; committed when the block ends."""
        async with self.database.write() as session:
            await session.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '30s'")
            yield await work(session)

    async def until_waiting(self, task: "asyncio.Task[Any]", count: int = 1) -> None:
        """Until the task's transaction waits for a lock, behind `count - 1` others. Fails when it ends without."""
        waiting = asyncio.create_task(self.waits_for_a_lock(count))
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert not task.done(), f"it did not wait: {task}"

    async def waits_for_a_lock(self, count: int = 1) -> None:
        """Until `count` sessions of this database wait for a lock: the interleaving that a test is about."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        # As the runtime role: another role is not shown what its sessions wait for.
        session = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            while await session.fetchval(query) < count:
                await session.execute("SELECT pg_sleep(0.005)")
        finally:
            session.terminate()


def a_consent(borger_id: UUID, now: datetime, **changes: Any) -> Consent:
    """An active consent of one's own; `givers` declares it, `**changes` makes it another."""
    givers = changes.pop("givers", (borger_id,))
    categories = frozenset(changes.pop("categories", {CATEGORY, "BESKAEFTIGELSESFORLOEB"}))
    declarations = tuple(
        Declaration(
            *(uuid4(), giver, Role.SELF if giver == borger_id else Role.CUSTODY_HOLDER),
            *(Method.SYSTEM_EVIDENCE, "Substantial", now, "0" * 64, categories),
        )
        for giver in givers
    )
    consent = Consent(
        consent_id=uuid4(),
        borger_id=borger_id,
        purpose=PURPOSE,
        purpose_version=1,
        holder_unit=HOLDER_UNIT,
        recipient_unit=RECIPIENT,
        categories=categories,
        legal_basis="GDPR_SAMTYKKE",
        text_code=PURPOSE,
        text_version=1,
        text_sha256="0" * 64,
        language="da",
        status=Status.ACTIVE,
        requested_at=now,
        given_at=now,
        valid_from=now,
        valid_until=now + timedelta(days=30),
        ceiling_until=now + timedelta(days=300),
        declarations=declarations,
    )
    return replace(consent, **changes)


def an_item(*told: Revealed, **changes: Any) -> PermitItem:
    item = PermitItem(
        permit_id=uuid4(),
        notification_id=uuid4(),
        kind="inbox",
        actor="sof201",
        event_type=EVENT,
        holder_unit=HOLDER_UNIT,
        recipient_unit=RECIPIENT,
        purpose=PURPOSE,
        reveals=told,
    )
    return item.model_copy(update=changes)
