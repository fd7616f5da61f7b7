"""The last chapters: a service dies, a blanket consent is refused, and the record is read and verified."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

from libs.cli.bus.topics import TOPICS
from libs.cli.demo.chapters_bridge import MORTEN_SOF, in_the_log, uses_of
from libs.cli.demo.stage import GLANCE_S, PATIENCE_S, Stage, eventually
from libs.cli.running.up import System
from libs.cli.verifying.audit_verify import verify_log
from libs.cli.verifying.receipt import ReceiptError, verify_receipt
from libs.common.bus.opening import opened
from libs.common.bus.port import load_topics, raw


async def fails_closed(stage: Stage, system: System) -> None:
    """P9: the consent service is killed; nothing is shown, nothing is lost, and the advis comes once it is back."""
    fasit, reader = stage.sources["fasit"], stage.caseworkers["sof101"].advis
    await system.kill("consent", signal.SIGKILL)
    dark = await reader.call("GET", "/v1/inbox")
    await fasit.emit(fasit.event("bif.forloeb.afbrudt", stage.citizens["morten"].borger_id, "BIF-JOBINDSATS"))

    async def back() -> bool | None:
        return (await reader.call("GET", "/v1/inbox")).status_code == 200 or None

    await eventually(back, "the inbox to answer again")
    await stage.until_told("sof101", "bif.forloeb.afbrudt", MORTEN_SOF)
    shown = await stage.look("sof101", f"?case_reference={MORTEN_SOF}")
    once = sum(item["event_type"] == "bif.forloeb.afbrudt" for item in shown) == 1
    closed = dark.status_code == 503 and "items" not in dark.json()
    stage.check("P9", closed and once, "with consent killed the inbox said 503, and the late event came once")
    stage.tell(
        "The consent service is killed in the middle of the day",
        "Its process was killed without warning. While it was away the inbox refused, and an event was still taken in.",
        "nobody while it was away; afterwards Morten's caseworker, once",
        "without an answer from consent nothing is disclosed, and what was accepted is kept (P9)",
    )


async def specific(stage: Stage) -> None:
    """P7: a blanket consent cannot be stored, and the answer names the field."""
    citizen = stage.citizens["morten"]
    path = f"/v1/citizens/{citizen.borger_id}/consents"
    form = await citizen.form("KOORDINERING", "SOF-BCV", "BIF-JOBINDSATS", ["SOCIAL_STOETTE"])
    answers = [
        await citizen.consent.call("POST", path, form | {"categories": wish}, {"idempotency-key": uuid4().hex})
        for wish in ([], ["ALT"], ["SOCIAL_STOETTE", "KRISECENTER"])
    ]
    named = all(a.status_code == 422 and "categories" in a.text for a in answers)
    stage.check("P7", named, "a consent to nothing, to everything and to a refuge stay were each refused, field named")


async def receipts(stage: Stage, jwks: dict[str, object]) -> None:
    """P5: every receipt verifies offline against the published keys, and a changed one does not."""
    held = [(citizen, receipt) for citizen in stage.citizens.values() for receipt in citizen.receipts]
    events = [verify_receipt(receipt, jwks)["event"] for _, receipt in held]
    stage.check(
        "P5",
        "withdrawn" in events and "given" in events,
        f"{len(held)} receipts verified offline with the published keys",
    )
    head, body, mark = held[0][1].split(".")
    try:
        verify_receipt(".".join((head, body[:-2] + ("AA" if body[-2:] != "AA" else "BB"), mark)), jwks)
    except ReceiptError:
        refused = True
    else:
        refused = False
    stage.check("P5", refused, "a receipt with one changed character was refused")


async def the_record(stage: Stage, system: System) -> None:
    """The DPO reads the log of one citizen, verifies all of it, and the citizens read their own uses."""
    hans = stage.citizens["hans"]
    withdrawn = await in_the_log(stage, hans.borger_id, "consent.withdrawn")
    await in_the_log(stage, hans.borger_id, "disclosure.refused")
    stage.check(
        "P4", "receipt_id" in str(withdrawn), "the withdrawal's receipt and the refusal after it are in the log"
    )
    uses = {name: await uses_of(citizen) for name, citizen in stage.citizens.items()}
    told = Counter(use["event_type"] for rows in uses.values() for use in rows if use["kind"] == "inbox")
    stage.check(
        "P4",
        told == Counter(stage.disclosed.values()),
        f"the {len(stage.disclosed)} advis that caseworkers were shown are, one for one, in the citizens' own use logs",
    )
    verdict = await verify_log(system.urls["audit"], stage.dpo.token if stage.dpo else "")
    stage.entries = verdict.leaves
    stage.check(
        "P8", verdict.intact, f"{verdict.leaves} log entries re-hashed to the signed checkpoint, no number missing"
    )
    stage.tell(
        "The data protection officer reads, and proves",
        "Filtered to Hans, the log shows the consent, each use, the withdrawal and the refusal. All"
        f" {verdict.leaves} entries were fetched, hashed again and compared with the signed checkpoint. Morten's own"
        f" page shows {len(uses['morten'])} uses of his consents.",
        "the DPO, whose reading is logged too; each citizen their own uses",
        "accountability (GDPR art. 5(2)); the log is tamper-evident, and nobody has to take our word for it",
    )


async def personal_numbers(stage: Stage, system: System) -> None:
    """P10: every CPR number that was typed in is looked for on the bus, in the logs and in what was sent out."""
    haystacks = [path.read_bytes() for path in await asyncio.to_thread(lambda: sorted(system.log_dir.glob("*")))]
    records = 0
    async for value in _everything_on_the_bus(system.bus_url, stage.entries):
        haystacks.append(value)
        records += 1
    haystacks += [str(ring.body).encode() for ring in stage.receiver.rings]
    needles = [number.encode() for number in stage.numbers]
    found = sum(needle in haystack for haystack in haystacks for needle in needles)
    stage.check(
        "P10",
        found == 0 and records >= stage.entries > 0,
        f"{len(needles)} CPR numbers were in none of {records} bus records, the logs or the doorbells",
    )
    bare = all(set(ring.body) == {"id", "type", "timestamp"} for ring in stage.receiver.rings)
    signed = all(ring.signed and ring.body["type"] == "advis.available" for ring in stage.receiver.rings)
    stage.check(
        "P2",
        bare and signed and bool(stage.receiver.rings),
        f"{len(stage.receiver.rings)} doorbells carried an id, one constant word and a time, and were signed",
    )


async def _everything_on_the_bus(bus_url: str, at_least: int) -> AsyncIterator[bytes]:
    """Every record's key, headers and value, from the beginning, through the same port that the services use.

    Reads on until nothing comes any more, and not before `at_least` records have come.
    """

    async def from_the_start(_topic: str, _partition: int) -> int:
        return 0

    async with opened(bus_url, client_id="demo") as bus:
        consumer = bus.consumer(f"demo-{uuid4()}", [topic.name for topic in load_topics(TOPICS)], from_the_start)
        await consumer.start()
        quiet = seen = 0
        end = time.monotonic() + PATIENCE_S
        while (quiet < 2 or seen < at_least) and time.monotonic() < end:
            batch = await consumer.fetch(max_records=500, timeout_s=GLANCE_S / 2)
            quiet = 0 if batch else quiet + 1
            seen += len(batch)
            for record in batch:
                yield b" ".join([raw(record.key), *(value or b"" for _, value in record.headers), record.value])
        await consumer.stop()
