"""Chapters four and five: Peter, who shares some things and not others, and Gülcan, whose child is a person too."""

import asyncio
from datetime import UTC, datetime, timedelta

from libs.cli.demo.stage import GLANCE_S, Stage, eventually

PETER_SOF, PETER_HOME, GUELCAN_BIF = "SOF-26-2004", "SOF-26-2005", "BIF-26-1003"
SHORT_S = 2.0  # how long Peter's short consent lasts: long enough to be used once


async def peter(stage: Stage) -> None:
    """Peter (001:501-507): an internship held together by two administrations; a past that he shares with neither."""
    await _no_trace(stage)
    citizen, fasit = stage.citizens["peter"], stage.sources["fasit"]
    await citizen.grant("KOORDINERING", "BIF-JOBINDSATS", "SOF-BCV", ["BESKAEFTIGELSESFORLOEB", "FREMMOEDE"])
    await citizen.grant("BOLIG_FOREBYGGELSE", "BIF-YDELSE", "SOF-BOLIGRAADGIVNING", ["FORSOERGELSE"])
    await fasit.emit(fasit.event("bif.forloeb.afbrudt", citizen.borger_id, "BIF-JOBINDSATS"))
    await fasit.emit(fasit.event("bif.ydelse.stoppet", citizen.borger_id, "BIF-YDELSE"))
    internship = await stage.until_told("sof101", "bif.forloeb.afbrudt", PETER_SOF)
    benefit = await stage.until_told("sof201", "bif.ydelse.stoppet", PETER_HOME)
    apart = await stage.nobody_but("sof101", internship["notification_id"])
    apart = apart and await stage.nobody_but("sof201", benefit["notification_id"])
    stage.check("P7", apart, "two consents of one citizen told two units two different things, and nothing else")
    stage.tell(
        "Peter keeps his internship, and his home",
        "His internship broke off and his benefit stopped. Each was told to the one unit he had named for it.",
        "his caseworker the one, his housing adviser the other; neither both",
        "a consent is for one holder, one recipient, one purpose and named categories (retssikkerhedsloven § 11 a)",
    )
    await _short_consent(stage)


async def _no_trace(stage: Stage) -> None:
    """P2: an event that nobody may be told of leaves the recipients' world exactly as it was."""
    citizen, fasit = stage.citizens["peter"], stage.sources["fasit"]

    async def world() -> list[bytes]:
        doors = [worker.advis for worker in stage.caseworkers.values() if worker.unit.startswith("SOF-")]
        return [(await door.call("GET", "/v1/inbox")).content for door in doors]

    before, rings = await world(), len(stage.receiver.rings)
    await fasit.emit(fasit.event("bif.sanktion.partshoering", citizen.borger_id, "BIF-YDELSE"))
    await asyncio.sleep(GLANCE_S)
    same = await world() == before and len(stage.receiver.rings) == rings
    stage.check("P2", same, "an event about someone without consent changed no byte of any inbox and rang no doorbell")
    stage.tell(
        "Something happens in Peter's case that nobody else may know",
        "A hearing before a sanction was reported, and Peter has consented to nothing yet.",
        "nobody; every inbox answered byte for byte as before",
        "no consent is no trace; he can only lose by others' knowing, so it is never bundled with anything (R33)",
    )


async def _short_consent(stage: Stage) -> None:
    """P6: a limit holds at the decision itself; no job has to run for it."""
    citizen, fasit = stage.citizens["peter"], stage.sources["fasit"]
    ends = datetime.now(UTC) + timedelta(seconds=SHORT_S)
    await citizen.grant("KOORDINERING", "BIF-YDELSE", "SOF-BCV", ["FORSOERGELSE"], valid_until=ends.isoformat())
    await fasit.emit(fasit.event("bif.ydelse.startet", citizen.borger_id, "BIF-YDELSE"))
    await stage.until_told("sof101", "bif.ydelse.startet", PETER_SOF)
    await asyncio.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 0.05)
    shown = {item["event_type"] for item in await stage.look("sof101")}
    stage.check("P6", "bif.ydelse.startet" not in shown, "a consent that ran out was refused at the very next look")


async def guelcan(stage: Stage) -> None:
    """Gülcan (001:489-499): a mother on cash benefit whose child has severe autism; the child has its own consent."""
    mother, father = stage.citizens["guelcan"], stage.citizens["mehmet"]
    dubu, child = stage.sources["dubu"], stage.child
    await _custody(stage)
    await dubu.emit(dubu.event("sof.boernesag.aabnet", child, "SOF-BCH"))
    await mother.grant("FAMILIEINDSATS", "SOF-BCH", "BIF-JOBINDSATS", ["SAGSEKSISTENS"])
    half = await mother.grant("FAMILIEINDSATS", "SOF-BCH", "BIF-JOBINDSATS", ["BARN_SAG"], about=child)
    await dubu.emit(dubu.event("sof.boern.indsats_ivaerksat", child, "SOF-BCH"))
    await asyncio.sleep(GLANCE_S)
    early = [i for i in await stage.look("bif101") if i["case_reference"] == GUELCAN_BIF]
    waiting = half["consent"]["status"] == "pending_signature"
    stage.check(
        "P2", not early and waiting, "with one of two custody holders' declarations, nothing of the child was told"
    )
    await father.grant("FAMILIEINDSATS", "SOF-BCH", "BIF-JOBINDSATS", ["BARN_SAG"], about=child)
    await dubu.emit(dubu.event("sof.boern.indsats_ivaerksat", child, "SOF-BCH"))
    item = await stage.until_told("bif101", "sof.boern.indsats_ivaerksat", GUELCAN_BIF)
    told = [i for i in await stage.look("bif101") if i["case_reference"] == GUELCAN_BIF]
    alone = await stage.nobody_but("bif101", item["notification_id"])
    stage.check(
        "P3", len(told) == 1 and alone, "of three events about the child exactly the one under every consent was told"
    )
    stage.tell(
        "Gülcan's child gets help, and her job consultant may know",
        "A child case was opened, and measures started twice. The first two events came before both custody holders"
        " had said yes for the child and Gülcan for herself; only the third became an advis.",
        "Gülcan's job consultant, and only of what came after every yes",
        "the event reveals something about the child and about the parent: each needs consent, and below 15 every"
        " custody holder declares (P7, R11, R12)",
    )


async def _custody(stage: Stage) -> None:
    """The civil registration tells consent who holds custody; both parents then see the child on their own page."""
    cpr, parents = stage.sources["cpr"], [stage.citizens["guelcan"], stage.citizens["mehmet"]]
    holders = [parent.borger_id for parent in parents]
    await cpr.emit(cpr.event("cpr.foraeldremyndighed_aendret", stage.child, "CPR", custody_holders=holders))

    async def known() -> bool | None:
        answers = await asyncio.gather(*(parent.consent.get("/v1/me") for parent in parents))
        return all(stage.child in answer["children"] for answer in answers) or None

    await eventually(known, "custody to be known")
