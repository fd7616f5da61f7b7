"""Whatever is done in whatever order, a disclosure is permitted exactly when a plain model of the rules says so."""

from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.wire.permits import PermitItem
from services.consent.commands import requests as commands_requests
from services.consent.consents.consent import Consent
from services.consent.drains.drain import DrainLimits
from services.consent.drains.store import Withdrawal
from services.consent.employees.staff import Employee
from services.consent.http.audit import Actor
from services.consent.legal_bases import commands as legal_bases_commands
from services.consent.legal_bases.commands import NewBasis
from services.consent.refusals import commands as refusals_commands
from services.consent.restrictions import commands as restrictions_commands
from services.consent.withdrawals import commands as withdrawals_commands
from tests.consent.world.fence_world import CATEGORY, HOLDER_UNIT, PURPOSE, RECIPIENT, World

AT_ONCE = DrainLimits(margin_ms=60_000, wait_ms=0, poll_ms_min=1, poll_ms_max=1)
CASEWORKER = Employee("bif101", "caseworker", HOLDER_UNIT, "Substantial")
STAFF = Actor("bif101", "caseworker", unit=HOLDER_UNIT)
EXTENTS = [(PURPOSE, RECIPIENT), (None, RECIPIENT), (PURPOSE, None), (None, None), (None, "SOF-RUSMIDDEL")]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("grant", "grant", "withdraw", "withdraw_all", "refuse", "refuse", "lift", "lift"),
                *("restrict", "restrict_all", "lift_restriction", "basis", "emergency", "end_basis"),
            ]
        ),
        st.integers(0, 4),
    ),
    min_size=4,
    max_size=12,
)


@dataclass
class Model:
    """The rules again, as plainly as they can be said."""

    consent: Consent | None = None
    refusals: dict[UUID, tuple[str | None, str | None]] = field(default_factory=dict)
    restrictions: dict[UUID, UUID | None] = field(default_factory=dict)
    bases: dict[UUID, bool] = field(default_factory=dict)

    @property
    def permits(self) -> bool:
        if any(self.bases.values()):
            return True
        if any(purpose in {None, PURPOSE} and unit in {None, RECIPIENT} for purpose, unit in self.refusals.values()):
            return False
        if None in self.restrictions.values():
            return False
        if self.bases:
            return True
        return self.consent is not None and self.consent.consent_id not in self.restrictions.values()


@dataclass
class Play:
    """One citizen's acts, done to the database and to the model alike."""

    world: World
    borger_id: UUID
    model: Model

    async def grant(self, _pick: int) -> None:
        self.model.consent = await self.world.grant(self.borger_id)

    async def withdraw(self, _pick: int) -> Withdrawal | None:
        consent, self.model.consent = self.model.consent, None
        return None if consent is None else await self.world.withdraw(consent)

    async def withdraw_all(self, _pick: int) -> Withdrawal:
        self.model.consent = None
        return await self._write(
            lambda s: withdrawals_commands.withdraw_everything(s, self.world.signer, self._request())
        )

    async def refuse(self, pick: int) -> Withdrawal:
        purpose, unit = EXTENTS[pick]
        made = await self._write(
            lambda s: refusals_commands.refuse(
                s, self.world.signer, self._request(), purpose=purpose, recipient_unit=unit
            )
        )
        self.model.refusals[made.object_id] = (purpose, unit)
        return made

    async def lift(self, pick: int) -> None:
        for refusal_id in list(self.model.refusals)[pick : pick + 1]:
            del self.model.refusals[refusal_id]
            await self._write(
                lambda s, which=refusal_id: refusals_commands.lift_refusal(s, self.world.signer, self._request(), which)
            )

    async def restrict(self, _pick: int) -> Withdrawal | None:
        return None if self.model.consent is None else await self._restrict(self.model.consent.consent_id)

    async def restrict_all(self, _pick: int) -> Withdrawal:
        return await self._restrict(None)

    async def _restrict(self, consent_id: UUID | None) -> Withdrawal:
        made = await self._write(
            lambda s: restrictions_commands.restrict(
                s, self.world.signer, self._request(), consent_id=consent_id, ground="legal_claim"
            )
        )
        self.model.restrictions[made.object_id] = consent_id
        return made

    async def lift_restriction(self, pick: int) -> None:
        for restriction_id in list(self.model.restrictions)[pick : pick + 1]:
            del self.model.restrictions[restriction_id]
            await self._write(
                lambda s, which=restriction_id: restrictions_commands.lift(
                    s, self.world.signer, self._request(), which, notice=None
                )
            )

    async def basis(self, _pick: int) -> None:
        await self._record("RSL_11A_2", None)

    async def emergency(self, _pick: int) -> None:
        await self._record("VAERDISPRING", "danger_to_another")

    async def _record(self, law: str, reason: str | None) -> None:
        new = NewBasis(self.borger_id, RECIPIENT, PURPOSE, CATEGORY, law, None, "BIF-26-1", reason)
        made = await self._write(
            lambda s: legal_bases_commands.record(s, self.world.signer, CASEWORKER, new, actor=STAFF)
        )
        self.model.bases[made.basis.basis_id] = reason is not None

    async def end_basis(self, pick: int) -> Withdrawal | None:
        for basis_id in list(self.model.bases)[pick : pick + 1]:
            del self.model.bases[basis_id]
            return await self._write(
                lambda s, which=basis_id: legal_bases_commands.end(s, self.world.signer, CASEWORKER, which, actor=STAFF)
            )
        return None

    def _request(self) -> commands_requests.Request:
        return self.world.request(self.borger_id)

    async def _write(self, work):
        return await self.world.write(work)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ACTS)
async def test_after_any_acts_it_is_permitted_exactly_when_the_model_says_so(
    world: World, acts: list[tuple[str, int]]
) -> None:
    borger_id, holder_id = await world.citizen(), await world.holder()
    await world.execute(
        "INSERT INTO case_fact (borger_id, unit, case_reference, opened_at) VALUES ($1, $2, 'BIF-26-1', now())",
        *(borger_id, HOLDER_UNIT),
    )
    play = Play(world, borger_id, Model())
    await play.grant(0)
    open_permit: PermitItem | None = None
    for act, pick in acts:
        before = play.model.permits
        ended = await getattr(play, act)(pick)
        if open_permit is not None and before and not play.model.permits:
            assert isinstance(ended, Withdrawal), f"{act} ended something and waits for nothing"
            assert not await world.drained(ended, AT_ONCE), f"{act} did not wait for what was in flight"
            await world.settle(holder_id, open_permit.permit_id)
            open_permit = None
            assert await world.drained(ended)
        item = await world.item(borger_id)
        granted = await world.acquire(holder_id, item)
        assert bool(granted) is play.model.permits, (acts, act)
        if granted:
            if open_permit is not None:
                await world.settle(holder_id, open_permit.permit_id)
            open_permit = item
    if open_permit is not None:
        await world.settle(holder_id, open_permit.permit_id)
