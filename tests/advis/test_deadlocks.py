"""A request that PostgreSQL sacrifices to another is answered as if nothing had been, and counted once."""

from tests.advis.ingestion.test_ingestion import document, on_the_way
from tests.advis.world.examples import CASEWORKER, RECIPIENT
from tests.advis.world.reading import audit_entries, states
from tests.deadlock import sacrificed
from tests.servers import Postgres, TestDatabase

ME = (CASEWORKER, RECIPIENT)


async def test_handling_an_item(advis, intake, postgres: Postgres, advis_database: TestDatabase):
    await intake.advis()
    (item,) = (await advis.get("/v1/inbox", *ME)).json()["items"]
    call = advis.post(f"/v1/inbox/{item['notification_id']}:handle", *ME)
    answer = await sacrificed(postgres, advis_database, call, first="notification", second="outbox")
    assert (answer.status_code, answer.json()["state"]) == (200, "handled")
    assert await states(advis.resources.database) == ["handled"]
    assert len(await audit_entries(advis.resources.database, "notification.handled")) == 1


async def test_taking_in_case_events(advis, postgres: Postgres, advis_database: TestDatabase):
    call = advis.ingest(document())
    answer = await sacrificed(postgres, advis_database, call, first="ingested", second="outbox")
    assert answer.status_code == 202, answer.text
    assert len(await on_the_way(advis)) == 1
