"""Chapters one to three: who is who, Morten's consent both ways, and Hans, who changes his mind."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from libs.cli.demo.actors import JSON, Citizen, Withdrawn
from libs.cli.demo.stage import GLANCE_S, Stage, eventually

MORTEN_BIF, MORTEN_SOF = "BIF-26-1001", "SOF-26-2001"
HANS_BIF, HANS_SOF = "BIF-26-1002", "SOF-26-2002"
FLOW = 5  # advis in the inbox at a time, before Hans withdraws


async def cases_open(stage: Stage) -> None:
    """The line-of-business systems say which units have a case, and whose it is."""
    fasit, domus = stage.sources["fasit"], stage.sources["domus"]
    who = {name: citizen.borger_id for name, citizen in stage.citizens.items()}
    opened = [
        (fasit, "bif.sag.aabnet", who["morten"], "BIF-JOBINDSATS", MORTEN_BIF, "bif101"),
        (domus, "sof.sag.aabnet", who["morten"], "SOF-BCV", MORTEN_SOF, "sof101"),
        (fasit, "bif.sag.aabnet", who["hans"], "BIF-KANTEN", HANS_BIF, "bif201"),
        (domus, "sof.sag.aabnet", who["hans"], "SOF-RUSMIDDEL", HANS_SOF, "sof301"),
        (fasit, "bif.sag.aabnet", who["guelcan"], "BIF-JOBINDSATS", "BIF-26-1003", "bif101"),
        (fasit, "bif.sag.aabnet", who["peter"], "BIF-YDELSE", "BIF-26-1004", "bif301"),
        (domus, "sof.sag.aabnet", who["peter"], "SOF-BCV", "SOF-26-2004", "sof101"),
        (domus, "sof.sag.aabnet", who["peter"], "SOF-BOLIGRAADGIVNING", "SOF-26-2005", "sof201"),
    ]
    for source, kind, about, unit, reference, worker in opened:
        await source.emit(source.event(kind, about, unit, case_reference=reference, caseworker=worker))
    stage.tell(
        "Cases open in both administrations",
        f"Fasit and DOMUS learned a random pseudonym for each citizen and reported {len(opened)} opened cases.",
        "nobody; one administration does not hear of a case in the other",
        "no consent exists yet, and without one nothing is told (P2)",
    )


async def morten(stage: Stage) -> None:
    """Morten (001:473-483): an internship from BIF, a home support worker from SOF, appointments lost."""
    citizen, fasit = stage.citizens["morten"], stage.sources["fasit"]
    await citizen.grant("KOORDINERING", "BIF-JOBINDSATS", "SOF-BCV", ["BESKAEFTIGELSESFORLOEB", "FREMMOEDE"])
    await citizen.grant("KOORDINERING", "SOF-BCV", "BIF-JOBINDSATS", ["SOCIAL_STOETTE"])
    sent = time.monotonic()
    granted = fasit.event("bif.tilbud.bevilget", citizen.borger_id, "BIF-JOBINDSATS", case_reference=MORTEN_BIF)
    await fasit.emit(granted)
    item = await stage.until_told("sof101", "bif.tilbud.bevilget", MORTEN_SOF)
    took = (time.monotonic() - sent) * 1000
    await fasit.emit(fasit.event("bif.forloeb.udeblevet", citizen.borger_id, "BIF-JOBINDSATS"))
    await stage.until_told("sof101", "bif.forloeb.udeblevet", MORTEN_SOF)
    alone = await stage.nobody_but("sof101", item["notification_id"])
    stage.check("P2", alone, "an advis stood in one caseworker's inbox and in none of the others'")
    stage.tell(
        "Morten's job consultant and support worker may tell each other",
        "He ticked two kinds of information one way and one kind the other way. An internship was granted and, soon"
        f" after, attendance was lost. The first advis stood in the inbox after {took:.0f} ms.",
        "his caseworker at SOF, in her own inbox; nobody else",
        "his consent names the holder, the recipient, the purpose and these categories, and nothing more (P7)",
    )
    await _once_only(stage, granted)


async def _once_only(stage: Stage, event: JSON) -> None:
    """P3: the same event reported again, and a consent renewed in between, still give exactly one advis."""
    citizen, fasit = stage.citizens["morten"], stage.sources["fasit"]
    await asyncio.gather(*(fasit.emit(event) for _ in range(5)))
    await citizen.grant("KOORDINERING", "BIF-JOBINDSATS", "SOF-BCV", ["BESKAEFTIGELSESFORLOEB", "FREMMOEDE"])
    later = fasit.event("bif.plan.opdateret", citizen.borger_id, "BIF-JOBINDSATS")
    await fasit.emit(later)  # not consented to: its only use here is that it lies behind the repeats on the bus
    await asyncio.sleep(GLANCE_S)
    shown = [i["event_type"] for i in await stage.look("sof101", f"?case_reference={MORTEN_SOF}")]
    once = shown.count("bif.tilbud.bevilget") == 1 and shown.count("bif.forloeb.udeblevet") == 1
    stage.check("P3", once, "an event that was reported six times is one advis")
    stage.check("P7", "bif.plan.opdateret" not in shown, "an event of a category that was not ticked stayed unknown")


@dataclass
class Watch:
    """What one caseworker's inbox showed, call by call, on one monotonic clock: (asked, answered, advis shown)."""

    looks: list[tuple[float, float, frozenset[str]]] = field(default_factory=list)
    emitted: list[float] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def in_full_flow(self) -> bool | None:
        """True once several advis are shown at a time: then there is something to stop."""
        return any(len(shown) > FLOW for _, _, shown in self.looks) or None


async def hans(stage: Stage) -> None:
    """Hans (001:485-493): treatment for alcohol is offered; he consents, then withdraws in the middle of everything."""
    citizen, domus = stage.citizens["hans"], stage.sources["domus"]
    granted = await citizen.grant("BEHANDLING_FASTHOLDELSE", "SOF-RUSMIDDEL", "BIF-KANTEN", ["RUSMIDDEL", "FREMMOEDE"])
    await domus.emit(domus.event("sof.rusmiddel.opstartet", citizen.borger_id, "SOF-RUSMIDDEL"))
    item = await stage.until_told("bif201", "sof.rusmiddel.opstartet", HANS_BIF)
    stage.tell(
        "Hans lets his job consultant know that treatment has begun",
        "Treatment is health information, so he affirmed it in a second step. The treatment centre reported the start.",
        "his job consultant at BIF: that it began, and nothing of its content",
        "explicit consent, for this special category and his attendance, to one unit (GDPR art. 9(2)(a))",
    )
    watch = Watch()
    tasks = [asyncio.create_task(_keep_looking(stage, watch)), asyncio.create_task(_keep_emitting(stage, watch))]
    await eventually(watch.in_full_flow, "several advis about Hans")
    asked = time.monotonic()
    withdrawn = await citizen.withdraw(granted["consent"]["consent_id"])
    answered = time.monotonic()
    await asyncio.sleep(2 * GLANCE_S)
    watch.stop.set()
    await asyncio.gather(*tasks)
    await _judge_withdrawal(stage, watch, answered, withdrawn)
    await _answers_alike(stage, item["notification_id"])
    before = frozenset().union(*(shown for start, _, shown in watch.looks if start < asked))
    stage.check(
        "P1", len(before) > 1, f"until then {len(before)} advis of his had come, so there was something to stop"
    )
    stage.tell(
        "Hans withdraws while events keep coming",
        f"{len(watch.emitted)} more events were reported while his job consultant reloaded her inbox"
        f" {len(watch.looks)} times. The withdrawal was answered {withdrawn.statuses[-1]} after"
        f" {(answered - asked) * 1000:.0f} ms. Before it the inbox had shown {len(before)} advis of his; after it,"
        " none: the next advis does not appear and the unread ones are gone.",
        "nobody, from the moment of the answer on",
        "every look takes its own permit, and the answer waits until no older permit is open (P1)",
    )


async def _keep_looking(stage: Stage, watch: Watch) -> None:
    while not watch.stop.is_set():
        asked = time.monotonic()
        items = await stage.look("bif201")
        shown = frozenset(item["notification_id"] for item in items if item["case_reference"] == HANS_BIF)
        watch.looks.append((asked, time.monotonic(), shown))


async def _keep_emitting(stage: Stage, watch: Watch) -> None:
    citizen, domus = stage.citizens["hans"], stage.sources["domus"]
    while not watch.stop.is_set():
        await domus.emit(domus.event("sof.rusmiddel.afbrudt", citizen.borger_id, "SOF-RUSMIDDEL"))
        watch.emitted.append(time.monotonic())
        await asyncio.sleep(0.03)


async def _judge_withdrawal(stage: Stage, watch: Watch, answered: float, withdrawn: Withdrawn) -> None:
    after = [shown for asked, _, shown in watch.looks if asked > answered]
    stage.check(
        "P1",
        withdrawn.statuses[-1] == 200 and not any(after) and len(after) > 0,
        f"{len(after)} inbox reads begun after the 200 showed nothing of Hans",
    )
    late = [ring for ring in stage.receiver.rings if ring.unit == "BIF-KANTEN" and ring.received > answered]
    stage.check("P1", not late, "no doorbell for it rang after the 200")
    uses = await uses_of(stage.citizens["hans"])
    drained = datetime.fromisoformat(withdrawn.drained_at)
    in_time = all(datetime.fromisoformat(use["last_at"]) <= drained for use in uses)
    stage.check("P1", in_time, f"none of the {len(uses)} uses in Hans's log is later than the withdrawal was drained")
    stage.check("P4", bool(uses), "Hans reads in his own log who was told what, also after withdrawing")


async def _answers_alike(stage: Stage, notification_id: str) -> None:
    """P2: for a unit that is not named, the advis, and the person, might as well not exist."""
    outsider = stage.caseworkers["sof201"].advis
    real = await outsider.call("GET", f"/v1/inbox/{notification_id}")
    made_up = await outsider.call("GET", f"/v1/inbox/{uuid4()}")
    theirs = await outsider.call("GET", f"/v1/inbox?case_reference={HANS_BIF}")
    nobodys = await outsider.call("GET", "/v1/inbox?case_reference=BIF-26-9999")
    alike = (real.status_code, _comparable(real.json())) == (made_up.status_code, _comparable(made_up.json()))
    alike = alike and (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
    stage.check("P2", alike, "a unit that is not named got the same answer as for something that does not exist")


def _comparable(body: JSON) -> JSON:
    """A problem document without what identifies the one request: its own path and correlation id."""
    return {name: value for name, value in body.items() if name not in {"instance", "correlation_id"}}


async def uses_of(citizen: Citizen) -> list[JSON]:
    """Every use of the citizen's own consents, page by page."""
    rows: list[JSON] = []
    query: str | None = "?limit=100"
    while query is not None:
        page = await citizen.consent.get(f"/v1/citizens/{citizen.borger_id}/uses{query}")
        rows += page["items"]
        query = f"?limit=100&cursor={page['next']}" if page["next"] else None
    return rows


async def in_the_log(stage: Stage, borger_id: str, entry_type: str) -> JSON:
    """Wait until the DPO's search of one citizen's entries shows this type, and return the newest such entry."""
    assert stage.dpo is not None
    dpo = stage.dpo

    async def found() -> JSON | None:
        items = (await dpo.get(f"/v1/entries?subject={borger_id}&type={entry_type}"))["items"]
        return items[0] if items else None

    return await eventually(found, f"{entry_type} in the audit log")
