"""The service's own functions as acts on a stage, each telling the oracle what it has committed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from libs.common.database.database import Database, WriteSession
from libs.common.wire.permits import PermitItem, Revealed, SettleItem
from services.consent.commands.requests import Request
from services.consent.drains import drain
from services.consent.drains import store as drains_store
from services.consent.drains.drain import DrainLimits
from services.consent.drains.store import Withdrawal
from services.consent.fence import holders as fence_holders
from services.consent.fence import holders_store
from services.consent.fence import permits as fence_permits
from services.consent.fence.permits import HolderDeadError
from services.consent.grants import commands as grants_commands
from services.consent.grants.commands import Grant
from services.consent.grants.grant import Ask
from services.consent.http.audit import Actor as Records
from services.consent.model.acting import Giver, Role
from services.consent.model.errors import ConsentError, NoSuchConsentError
from services.consent.model.scope import ScopeKey
from services.consent.refusals import commands as refusals_commands
from services.consent.refusals.commands import NoSuchRefusalError
from services.consent.withdrawals import commands as withdrawals_commands
from tests.consent.world.examples import a_signer, the_catalogue
from tests.fence.oracle import Call, Ending, Oracle, Process, ScopeTruth
from tests.fence.stepping import COMMIT, Actor, Stage, plainly

LEASE_MS = 5_000
LIMITS = DrainLimits(margin_ms=500, wait_ms=0, poll_ms_min=1, poll_ms_max=1)
SUPERVISOR, SLOT = "up-advis", "up-advis/api"
OWN = ("BIF-JOBINDSATS", "SOF-BCV", "KOORDINERING")  # holder, recipient, purpose
FAMILY = ("SOF-BCH", "BIF-JOBINDSATS", "FAMILIEINDSATS")
OWN_EVENTS = {"FREMMOEDE": "bif.forloeb.udeblevet", "BESKAEFTIGELSESFORLOEB": "bif.tilbud.bevilget"}
FAMILY_EVENT, CHILDS, PARENTS = "sof.boernesag.aabnet", "BARN_SAG", "SAGSEKSISTENS"
HARMLESS = (ConsentError, HolderDeadError, NoSuchConsentError, NoSuchRefusalError)


@dataclass
class Doing:
    """An act under way. `committed`: what the oracle is told of then; `heard`, `failed`: what its client hears."""

    actor: Actor
    committed: Callable[[Any], None] = lambda _: None
    heard: Callable[[Any], None] = lambda _: None
    failed: Callable[[BaseException], None] = lambda _: None
    known: bool = False


class Acts:
    """One citizen, one child of hers, and whoever acts for and about them; new ones for every example."""

    def __init__(self, stage: Stage, owner: asyncpg.Connection) -> None:
        self.stage = stage
        self.database: Database = stage.database
        self.owner = owner
        self.doing: list[Doing] = []
        self.registered: list[Withdrawal] = []  # their clients wait for a drain
        self.mother, self.child = uuid4(), uuid4()
        own = ScopeTruth(ScopeKey(self.mother, OWN[2], OWN[1]), periods=dict.fromkeys(OWN_EVENTS, 0))
        hers = ScopeTruth(ScopeKey(self.mother, FAMILY[2], FAMILY[1]), periods={PARENTS: 0})
        childs = ScopeTruth(ScopeKey(self.child, FAMILY[2], FAMILY[1]), periods={CHILDS: 0})
        self.scopes = [own, hers, childs]
        self.oracle = Oracle({scope.key: scope for scope in self.scopes})
        self.processes: list[Process] = []

    async def begin(self) -> None:
        """The people."""
        insert = "INSERT INTO citizen VALUES ($1, $2, '1', $3, '1', $4, NULL, NULL, now())"
        for borger_id, born in ((self.mother, 1986), (self.child, datetime.now(UTC).year - 8)):
            await self.owner.execute(insert, borger_id, borger_id.bytes, b"sealed", date(born, 1, 1))
        custody = "INSERT INTO custody (child, holder, valid_from) VALUES ($1, $2, '2020-01-01Z')"
        await self.owner.execute(custody, self.child, self.mother)

    # The citizen

    async def give(self, scope: ScopeTruth, categories: frozenset[str]) -> None:
        text = the_catalogue().text(
            the_catalogue().purpose(scope.key.purpose, datetime.now(UTC)).text, datetime.now(UTC)
        )
        special = {code for code in categories if the_catalogue().category(code, datetime.now(UTC)).special is not None}
        grant = Grant(
            ask=Ask(
                borger_id=scope.key.borger_id,
                purpose=scope.key.purpose,
                holder_unit=OWN[0] if scope is self.scopes[0] else FAMILY[0],
                recipient_unit=scope.key.recipient_unit,
                categories=categories,
                language="da",
                text_version=None,
                text_sha256=text.sha256.da,
                valid_until=None,
                affirmed_special=frozenset(special),
            ),
            giver=self._giver(scope.key.borger_id),
            actor=Records(name="citizen", role="citizen"),
            key=uuid4().hex,
            request_sha256="0" * 64,
            new_id=uuid4,
            shape=lambda consent, _: {"consent_id": str(consent.consent_id)},
        )

        async def work(session: WriteSession) -> tuple[bool, UUID, Withdrawal | None]:
            answer = await grants_commands.grant_consent(session, a_signer(), grant)
            consent_id = UUID(answer.response["consent_id"])
            narrowing = await drains_store.read_of_object(
                session, scope.key.borger_id, drains_store.Act.NARROWING, consent_id
            )
            return answer.status == 202, consent_id, narrowing

        def committed(result: tuple[bool, UUID, Withdrawal | None]) -> None:
            waits, scope.consent_id, narrowing = result
            scope.categories = categories
            ended = scope.turned()
            assert waits == (narrowing is not None) == bool(ended), "what ends something is answered after a drain"
            if narrowing is not None:
                self.oracle.endings[narrowing.withdrawal_id] = Ending(scope, ended)

        def heard(result: tuple[bool, UUID, Withdrawal | None]) -> None:
            self.registered.extend(one for one in result[2:] if one is not None)

        await self._write("give", work, committed=committed, heard=heard)

    async def withdraw(self, scope: ScopeTruth, consent_id: UUID) -> None:
        """For the first time, or again."""
        request = self._request(scope)

        async def work(session: WriteSession) -> Withdrawal:
            return await withdrawals_commands.withdraw_consent(session, a_signer(), request, consent_id)

        def committed(withdrawal: Withdrawal) -> None:
            if withdrawal.withdrawal_id not in self.oracle.endings:
                assert scope.consent_id == consent_id, "a consent that had ended was withdrawn"
                scope.consent_id, scope.categories = None, frozenset()
                self.oracle.endings[withdrawal.withdrawal_id] = Ending(scope, scope.turned(), consent_id)

        await self._write("withdraw", work, committed=committed, heard=self.registered.append)

    async def refuse(self, scope: ScopeTruth) -> None:
        request = self._request(scope)

        async def work(session: WriteSession) -> Withdrawal:
            return await refusals_commands.refuse(
                session, a_signer(), request, purpose=scope.key.purpose, recipient_unit=scope.key.recipient_unit
            )

        def committed(withdrawal: Withdrawal) -> None:
            if withdrawal.withdrawal_id not in self.oracle.endings:
                assert scope.refusal_id is None, "a standing refusal was recorded again"
                scope.refusal_id = withdrawal.object_id
                self.oracle.endings[withdrawal.withdrawal_id] = Ending(scope, scope.turned())

        await self._write("refuse", work, committed=committed, heard=self.registered.append)

    async def lift(self, scope: ScopeTruth, refusal_id: UUID) -> None:
        request = self._request(scope)

        def committed(_: str) -> None:
            if scope.refusal_id == refusal_id:
                scope.refusal_id = None
                scope.turned()

        await self._write(
            "lift", lambda s: refusals_commands.lift_refusal(s, a_signer(), request, refusal_id), committed=committed
        )

    async def look(self, withdrawal_id: UUID) -> None:
        """One look of its drain, from the withdrawal as it stands."""
        ending = self.oracle.endings[withdrawal_id]
        withdrawal = await plainly(
            self.database, lambda s: drains_store.read(s, ending.scope.key.borger_id, withdrawal_id)
        )
        await self._look(withdrawal)

    async def drain(self, until: str) -> None:
        """Whoever has registered an end goes on to its drain, with what the act has answered."""
        registered, self.registered = self.registered, []
        for withdrawal in registered:
            under_way = len(self.doing)
            await self._look(withdrawal)
            for doing in self.doing[under_way:]:
                await self.advance(doing, until)

    async def _look(self, withdrawal: Withdrawal) -> None:
        async def work(actor: Actor) -> None:
            actor.result = await drain.look(self.database, withdrawal, LIMITS)

        actor = await self.stage.start("look", work)
        self._add(
            Doing(actor, heard=lambda drained: self.oracle.answers(withdrawal.withdrawal_id) if drained else None)
        )

    # The processes

    async def register(self) -> None:
        process = Process(uuid4())
        async with self.database.write() as session:
            await fence_holders.register(session, process.holder_id, SLOT, SUPERVISOR, secret="s" * 43)
        self.processes.append(process)

    async def arrive(self, process: Process, category: str) -> Call:
        """An event arrives, and is read as `arrivals` reads it: epochs and periods of one moment."""
        if category in OWN_EVENTS:
            who, units, event = [(self.mother, category)], OWN, OWN_EVENTS[category]
        else:
            who, units, event = [(self.child, CHILDS), (self.mother, PARENTS)], FAMILY, FAMILY_EVENT
        epoch = "SELECT epoch FROM scope WHERE borger_id = $1 AND purpose = $2 AND recipient_unit = $3"
        told = []
        for borger_id, part in who:
            now = await self.owner.fetchval(epoch, borger_id, units[2], units[1])
            told.append(Revealed(borger_id=borger_id, category=part, epoch=now or 0))
        item = PermitItem(
            permit_id=uuid4(),
            notification_id=uuid4(),
            kind="inbox",
            actor="sof201",
            event_type=event,
            holder_unit=units[0],
            recipient_unit=units[1],
            purpose=units[2],
            reveals=tuple(told),
        )
        call = Call(item, process, self.oracle.periods_of(item))
        self.oracle.calls.append(call)
        return call

    async def acquire(self, process: Process, calls: Sequence[Call]) -> None:
        items, began = [call.item for call in calls], self.oracle.commits

        def committed(permits: Sequence[Any]) -> None:
            self.oracle.acquired(calls, {permit.permit_id for permit in permits}, began=began)

        def heard(permits: Sequence[Any]) -> None:
            granted = {permit.permit_id for permit in permits}
            for call in calls:
                if call.stage == "asked":
                    call.stage = "granted" if call.item.permit_id in granted else "done"

        def failed(error: BaseException) -> None:
            assert process.buried or not isinstance(error, HolderDeadError), "a living holder was taken for dead"

        await self._write(
            "acquire",
            lambda s: fence_permits.acquire(s, process.holder_id, items, longest_ms=LEASE_MS),
            committed=committed,
            heard=heard,
            failed=failed,
        )

    async def settle(self, call: Call, outcome: str) -> None:
        items = [SettleItem(permit_id=call.item.permit_id, outcome=outcome)]
        await self._write(
            "settle",
            lambda s: fence_permits.settle(s, call.process.holder_id, items),
            committed=lambda _: self.oracle.settled(call, outcome),
        )

    async def preview(self, calls: Sequence[Call]) -> None:
        """An opinion of this moment, so it must be the truth of this moment."""
        granted, _ = await plainly(self.database, lambda s: fence_permits.preview(s, [call.item for call in calls]))
        for call in calls:
            assert (call.item.permit_id in granted) == self.oracle.may(call), "preview is not what is true now"

    async def leases_end(self) -> None:
        """Every lease is over, wherever that can be written without waiting."""
        await self.owner.execute(
            "UPDATE permit SET lease_until = clock_timestamp() - interval '1 minute' WHERE permit_id IN"
            " (SELECT permit_id FROM permit WHERE holder_id = ANY($1::uuid[]) FOR UPDATE SKIP LOCKED)",
            [process.holder_id for process in self.processes],
        )

    async def obey(self) -> None:
        """The supervisor kills whom it is ordered to, and whom only."""
        ordered = await plainly(self.database, lambda s: holders_store.read_orders(s, SLOT))
        for process in self.processes:
            if process.holder_id in ordered:
                process.runs = False

    async def bury(self, process: Process) -> None:
        """Confirm a death. Only ever of the dead: that is the supervisor's part of the promise."""
        await self._write(
            "bury",
            lambda s: fence_holders.confirm_death(
                s, process.holder_id, supervisor=SUPERVISOR, actor=SUPERVISOR, proof="reaped"
            ),
            committed=lambda _: self.oracle.died(process),
        )

    # Going on

    async def advance(self, doing: Doing, until: str) -> None:
        """`statement`: one; `commit`: up to it; `end`: as far as it comes. It may stop behind a lock before that."""
        while until != "stand" and doing.actor.stands and not doing.actor.ended:
            if until == "commit" and doing.actor.at.endswith(COMMIT):
                break
            await self.stage.advance(doing.actor)
            self._notice()
            if until == "statement":
                break

    async def crash(self, doing: Doing) -> None:
        await self.stage.crash(doing.actor)
        self._notice(crashed=doing)

    async def abandon(self) -> None:
        """Nothing under way is left to the next example."""
        for doing in self.doing:
            doing.actor.task.cancel()
            doing.actor.go()
        await asyncio.gather(*(doing.actor.task for doing in self.doing), return_exceptions=True)
        self.stage.actors.clear()

    async def finish(self) -> None:
        """Everything under way comes to its end."""
        while self.doing or self.registered:
            for doing in list(self.doing):
                await self.advance(doing, "end")
            await self.drain("end")

    async def check_records(self) -> None:
        """What is written is what happened: nothing open, each use once (A2), the consents as they were given."""
        holders = [process.holder_id for process in self.processes]
        left = await self.owner.fetchval("SELECT count(*) FROM permit_scope WHERE holder_id = ANY($1)", holders)
        assert not left, "a permit is open that nobody will end"
        query = "SELECT notification_id, borger_id, count, not_sent, unknown FROM use_log WHERE borger_id = ANY($1)"
        written = {tuple(row) for row in await self.owner.fetch(query, [self.mother, self.child])}
        assert written == {
            (call.item.notification_id, told.borger_id, 1, call.outcome == "not_sent", call.outcome == "unknown")
            for call in self.oracle.calls
            if call.basis
            for told in call.item.reveals
        }, "A2: the use log is not what was permitted"
        query = "SELECT consent_id, categories FROM consent WHERE borger_id = ANY($1) AND status = 'active'"
        active = {row[0]: frozenset(row[1]) for row in await self.owner.fetch(query, [self.mother, self.child])}
        assert active == {scope.consent_id: scope.categories for scope in self.scopes if scope.consent_id}, (
            "not what was given"
        )

    async def _write(self, name: str, work: Callable[[WriteSession], Any], **hears: Any) -> None:
        self._add(Doing(await self.stage.write(name, work), **hears))

    def _add(self, doing: Doing) -> None:
        self.doing.append(doing)
        self._notice()

    def _notice(self, crashed: Doing | None = None) -> None:
        """Tell the oracle what has committed since, and whoever listens what has ended."""
        for doing in self.doing:
            if doing.actor.committed and not doing.known:
                doing.known = True
                self.oracle.commits += 1
                doing.committed(doing.actor.result)
        for doing in [doing for doing in self.doing if doing.actor.ended]:
            self.doing.remove(doing)
            self.stage.actors.remove(doing.actor)
            if doing is crashed:
                continue
            if doing.actor.error is None:
                doing.heard(doing.actor.result)
            elif isinstance(doing.actor.error, HARMLESS):
                doing.failed(doing.actor.error)
            else:
                raise doing.actor.error

    def _request(self, scope: ScopeTruth) -> Request:
        borger_id = scope.key.borger_id
        return Request(borger_id, self._giver(borger_id), Records(name="citizen", role="citizen"), None, "", uuid4)

    def _giver(self, borger_id: UUID) -> Giver:
        role = Role.SELF if borger_id == self.mother else Role.CUSTODY_HOLDER
        return Giver(self.mother, "Substantial", role)
