"""A CPR number and a name, planted wherever a request can carry them, are found in no log and no table of advis."""

from uuid import uuid4

from tests.advis.ingestion.test_ingestion import document
from tests.advis.world.examples import CASEWORKER, RECIPIENT
from tests.advis.world.reading import rows, value

CPR, CPR_DASHED, NAME = "310897" + "1845", "310897" + "-1845", "Hans Canary Hansen"
SECRETS = (CPR, CPR_DASHED, "Canary")
ME = (CASEWORKER, RECIPIENT)


async def test_planted_numbers_and_names_reach_neither_answers_logs_nor_tables(advis, intake, capfd):
    await intake.advis()
    answers = [
        await advis.ingest(document(id=CPR)),
        await advis.ingest(document(subject=CPR)),
        await advis.ingest(document(navn=NAME)),
        await advis.ingest(document(type=f"sof.{CPR}")),
        await advis.ingest(document(data={"unit": "SOF-RUSMIDDEL", "note": f"{NAME} {CPR}"})),
        await advis.ingest(document(data={"unit": "SOF-RUSMIDDEL", CPR: NAME})),
        await advis.ingest(document(data={"unit": NAME, "case_reference": CPR_DASHED})),
        await advis.ingest(document(correlationid=CPR_DASHED)),
        await advis.get(f"/v1/inbox/{CPR}", *ME),
        await advis.get(f"/v1/inbox?case_reference={CPR}", *ME),
        await advis.get(f"/v1/inbox?cursor={CPR_DASHED}&navn={NAME}", *ME),
        await advis.get("/v1/inbox", *ME),
        await advis.http.get(f"/{CPR}/{NAME}", headers={"authorization": f"Bearer {CPR}"}),
        await advis.http.get("/v1/inbox", headers={"x-correlation-id": CPR_DASHED}),
    ]
    assert [answer.status_code for answer in answers] == [422] * 7 + [202, 404, 422, 422, 200, 404, 401]
    out, err = capfd.readouterr()
    assert "serving" not in err
    for answer in answers:
        for secret in SECRETS:
            assert secret not in answer.text
            assert secret not in str(answer.headers)
    for secret in SECRETS:
        assert secret not in out
        assert secret not in err
    database = advis.resources.database
    tables = await rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) >= 8
    for secret in SECRETS:
        for (table,) in tables:
            if table != "alembic_version":
                found = f"SELECT count(*) FROM {table} t WHERE strpos(t::text, :text) + strpos(t::text, :hex) > 0"
                assert await value(database, found, text=secret, hex=secret.encode().hex()) == 0, table


async def test_an_identifier_of_a_person_is_in_no_address(advis):
    """Addresses end in proxies' logs: the inbox has no path or query that names a citizen."""
    document = (await advis.http.get("/openapi.json")).json()
    named = [path for path in document["paths"] if "borger" in path or "citizen" in path or "cpr" in path]
    assert named == []
    assert str(uuid4()) not in str(document)
