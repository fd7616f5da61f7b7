"""The report's figures of growth are the tables' own."""

import asyncpg

from tests.faults.growth import growth, sizes


async def test_what_was_added_is_what_is_shown_to_have_grown(consent_database, advis_database, audit_database):
    addresses = {
        name: database.owner_url.replace("+asyncpg", "")
        for name, database in (("consent", consent_database), ("advis", advis_database), ("audit", audit_database))
    }

    class Here:
        def database(self, service: str) -> str:
            return addresses[service]

    begun = await sizes(Here())
    session = await asyncpg.connect(addresses["advis"])
    await session.execute("INSERT INTO inbox SELECT 's', n::text FROM generate_series(1, 5000) n")
    await session.close()
    first = growth(begun, await sizes(Here()))[0]
    assert (first["table"], first["rows_before"], first["rows_after"]) == ("advis.inbox", 0, 5000)
    assert int(first["bytes_after"]) > int(first["bytes_before"])
