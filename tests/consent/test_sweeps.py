"""One row that cannot be swept stands in nobody's way: in every sweep of the worker, also with a full batch of such."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.common.database.database import WriteSession
from libs.common.running.sweep import Sweep
from services.consent.attestations import commands as attestations_commands
from services.consent.consents.consent import Consent
from services.consent.expiry import commands as expiry_commands
from services.consent.expiry import worker as expiry_worker
from services.consent.lifecycle import reconsider
from services.consent.lifecycle import worker as lifecycle_worker
from services.consent.requests import turns
from services.consent.requests import worker as requests_worker
from tests.consent.attestations.test_attestations import DRUGS, SPECIAL, say, yes
from tests.consent.http.test_hidden_rows import written
from tests.consent.world.asking import Desk, item
from tests.consent.world.door import Citizen, Door


class BadRowError(Exception):
    """The row that no code of ours has ever read well."""


def failing(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *bad: object) -> None:
    """Make a sweep's own act fail for what is about one of these."""
    whole = getattr(module, name)

    async def act(session: WriteSession, *arguments: Any) -> Any:
        if any(one in bad or getattr(one, "borger_id", None) in bad for one in arguments):
            raise BadRowError
        return await whole(session, *arguments)

    monkeypatch.setattr(module, name, act)


async def two(door: Door) -> tuple[Citizen, Citizen]:
    """Of whom the first is found first."""
    first, second = sorted([await door.citizen() for _ in range(2)], key=lambda citizen: citizen.borger_id)
    return first, second


async def test_a_consent_that_cannot_expire_keeps_none_behind_it(door: Door, monkeypatch: pytest.MonkeyPatch):
    bad, good = await two(door)
    for days, citizen in ((3, bad), (2, good)):
        await door.grant(citizen)
        await written(
            door,
            "UPDATE consent SET valid_until = now() - make_interval(days => $2) WHERE borger_id = $1",
            *(citizen.borger_id, days),
        )
    failing(monkeypatch, expiry_commands, "expire_consent", bad.borger_id)
    state, failed = door.app.state, Sweep("test")
    settings = state.settings.model_copy(update={"expiry_batch": 1})  # the failing one would fill every batch
    for _ in range(2):
        await expiry_worker.sweep(state.database, settings, state.signer, failed)
    assert await statuses(door) == {bad.borger_id: "active", good.borger_id: "expired"}


async def test_a_notice_that_cannot_be_left_keeps_none_behind_it(door: Door, monkeypatch: pytest.MonkeyPatch):
    citizens = await two(door)
    for citizen in citizens:
        await door.grant(citizen, valid_until=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    state, failed, first = door.app.state, Sweep("test"), []
    whole = expiry_commands.announce_expiry

    async def announce(session: WriteSession, consent: Consent) -> None:
        """Fails for whoever is found first: a batch of one would find nobody else unless the failing one rested."""
        first.append(consent.borger_id)
        if consent.borger_id == first[0]:
            raise BadRowError
        await whole(session, consent)

    monkeypatch.setattr(expiry_commands, "announce_expiry", announce)
    settings = state.settings.model_copy(update={"expiry_batch": 1})
    for _ in range(2):
        await expiry_worker.sweep(state.database, settings, state.signer, failed)
    (good,) = {citizen.borger_id for citizen in citizens}.difference(first[:1])
    assert [row["borger_id"] for row in await door.rows("SELECT borger_id FROM notice")] == [good]


async def test_a_person_that_life_cannot_reach_holds_no_time_and_nobody_up(door: Door, monkeypatch: pytest.MonkeyPatch):
    bad, good = await two(door)
    for citizen in (bad, good):
        await door.grant(citizen)
        await written(
            door, "UPDATE citizen SET moved_out_on = current_date - 1 WHERE borger_id = $1", citizen.borger_id
        )
        await say(door, citizen.cpr, await yes(door, **SPECIAL), by=DRUGS)
    await written(door, "UPDATE attestation SET lapses_at = now() - interval '1 second'")
    state, failed = door.app.state, lifecycle_worker.Failed(persons=Sweep("test", rest_s=0))
    with monkeypatch.context() as broken:
        failing(broken, reconsider, "reconsider", bad.borger_id)
        since = await lifecycle_worker.sweep(state.database, state.settings, state.signer, failed=failed)
    assert await statuses(door) == {bad.borger_id: "active", good.borger_id: "closed"}
    assert {row["status"] for row in await door.rows("SELECT status FROM attestation")} == {"lapsed"}
    later = since + timedelta(days=30)  # long after: no query finds the one that failed by the moments since then
    monkeypatch.setattr("services.consent.lifecycle.worker.OVERLAP", timedelta(0))
    await written(door, "UPDATE citizen SET moved_out_on = current_date - 300")
    await lifecycle_worker.sweep(state.database, state.settings, state.signer, since, failed=failed)
    assert later > since
    assert (await statuses(door))[bad.borger_id] == "closed"


async def test_an_attestation_that_cannot_lapse_keeps_none_behind_it(door: Door, monkeypatch: pytest.MonkeyPatch):
    bad, good = await two(door)
    for days, citizen in ((3, bad), (2, good)):
        await say(door, citizen.cpr, await yes(door, **SPECIAL), by=DRUGS)
        await written(
            door,
            "UPDATE attestation SET lapses_at = now() - make_interval(days => $2) WHERE borger_id = $1",
            *(citizen.borger_id, days),
        )
    failing(monkeypatch, attestations_commands, "write_lapsed", bad.borger_id)
    state, failed = door.app.state, lifecycle_worker.Failed()
    settings = state.settings.model_copy(update={"expiry_batch": 1})
    for _ in range(2):
        await lifecycle_worker.sweep(state.database, settings, state.signer, failed=failed)
    rows = await door.rows("SELECT borger_id, status FROM attestation")
    assert {row["borger_id"]: row["status"] for row in rows} == {bad.borger_id: "proposed", good.borger_id: "lapsed"}


async def test_a_request_that_cannot_lapse_keeps_none_behind_it(door: Door, monkeypatch: pytest.MonkeyPatch):
    desk = Desk(door)
    people = [await desk.known() for _ in range(2)]
    for citizen in people:
        await desk.asked(citizen.borger_id, item())
    bad, good = sorted(people, key=lambda citizen: citizen.borger_id)
    await written(door, "UPDATE consent SET answer_by = now() - interval '1 second'")
    await written(door, "UPDATE consent_request SET answer_by = now() - interval '1 second'")
    failing(monkeypatch, turns, "lapse", bad.borger_id)
    state, failed = door.app.state, Sweep("test")
    settings = state.settings.model_copy(update={"expiry_batch": 1})
    for _ in range(2):
        await requests_worker.sweep(state.database, settings, state.signer, failed)
    found = await statuses(door)
    assert found[bad.borger_id] == "requested"
    assert found[good.borger_id] != "requested"


async def statuses(door: Door) -> dict[object, str]:
    return {row["borger_id"]: row["status"] for row in await door.rows("SELECT borger_id, status FROM consent")}
