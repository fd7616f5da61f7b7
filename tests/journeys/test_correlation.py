"""One case event can be followed through all three services by one id, in the audit log."""

import json

import pytest
from rich.console import Console

from libs.cli.demo.actors import JSON
from libs.cli.demo.cast import bring_on
from libs.cli.demo.command import set_up
from libs.cli.demo.stage import eventually

pytestmark = [pytest.mark.journey, pytest.mark.timeout(120)]
CORRELATION = "c0ffee00-0000-4000-8000-000000000042"
FOLLOWED = {"event.ingested", "event.received", "notification.created", "disclosure.permitted", "disclosure.made"}


async def test_a_case_event_keeps_its_correlation_id_from_ingestion_to_disclosure(http_client) -> None:
    async with set_up(Console(quiet=True)) as (stage, system):
        await bring_on(stage, system, http_client)
        fasit, domus, morten = stage.sources["fasit"], stage.sources["domus"], stage.citizens["morten"]
        about = morten.borger_id
        opened = domus.event("sof.sag.aabnet", about, "SOF-BCV", case_reference="SOF-26-4001", caseworker="sof101")
        await domus.emit(opened)
        await morten.grant("KOORDINERING", "BIF-JOBINDSATS", "SOF-BCV", ["FREMMOEDE"])
        missed = fasit.event("bif.forloeb.udeblevet", about, "BIF-JOBINDSATS") | {"correlationid": CORRELATION}
        await fasit.emit(missed)
        await stage.until_told("sof101", "bif.forloeb.udeblevet", "SOF-26-4001")
        dpo = stage.dpo
        assert dpo is not None

        async def followed() -> list[JSON] | None:
            items = (await dpo.get(f"/v1/entries?subject={about}&limit=200"))["items"]
            mine = [item["leaf"] for item in items if item["opened"].get("correlation_id") == CORRELATION]
            return mine if {leaf["type"] for leaf in mine} >= FOLLOWED else None

        mine = await eventually(followed, "every act on the event to be in the log under its correlation id")
        others = (await dpo.get(f"/v1/entries?subject={about}&type=consent.granted"))["items"]
    assert {leaf["producer"] for leaf in mine} == {"advis", "consent"}
    assert others
    assert CORRELATION not in json.dumps(others), "another act of the same day carries its own id"
