"""Every module that reads a file or parses bytes: what it reads, and the test that sends it what it must not take.

A module that begins to parse and is not here fails a test: what it reads is a door of its own, or another one's.
"""

from typing import Final, NamedTuple


class Reading(NamedTuple):
    """`what` is read, as an operator would call it; `test` is the file of the test that gives it hostile content."""

    what: str
    test: str


_OWN = "tests/cli/test_secrets.py"
_STATE = "tests/cli/test_up.py"

READINGS: Final[dict[str, Reading]] = {
    # What comes from others.
    "libs/cli/audit_leaves.py": Reading("the log's leaves, from a server or a file", "tests/cli/test_audit_verify.py"),
    "libs/cli/commands.py": Reading("a receipt, a chain, a kept checkpoint, a secret", "tests/cli/test_receipt.py"),
    "libs/cli/events_check.py": Reading(
        "a source's file of events; the reference data", "tests/cli/test_events_check.py"
    ),
    "libs/common/bus.py": Reading("topics.yaml; a record's headers", "tests/common/test_sources.py"),
    "libs/common/case_events.py": Reading("a case event, by HTTP, bus or file", "tests/advis/test_ingestion.py"),
    "libs/common/client.py": Reading("another service's answer", "tests/common/test_client.py"),
    "libs/common/cursors.py": Reading("a cursor, and the keys that seal it", "tests/common/test_cursors.py"),
    "libs/common/keysets.py": Reading("an issuer's key set", "tests/common/test_keysets.py"),
    "libs/common/parking.py": Reading("a parked record, and what is said of it", "tests/common/test_parking.py"),
    "libs/common/seal.py": Reading("the operator's keys, statements and seals", "tests/common/test_parking.py"),
    "libs/common/settings.py": Reading("the names of the settings", "tests/cli/test_given_settings.py"),
    "libs/common/values.py": Reading("YAML files", "tests/common/test_sources.py"),
    "libs/common/sources.py": Reading("sources.yaml", "tests/common/test_sources.py"),
    "libs/common/web.py": Reading("the body of a request", "tests/common/test_web.py"),
    "services/advis/consumer.py": Reading("consent.events", "tests/advis/test_consumer.py"),
    "services/advis/reference.py": Reading("reference data", "tests/advis/test_reference.py"),
    "services/audit/incoming.py": Reading("audit.entries", "tests/audit/test_gaps.py"),
    "services/consent/catalogue_files.py": Reading("reference data", "tests/consent/test_catalogue.py"),
    "services/consent/catalogue_form.py": Reading("reference data", "tests/consent/test_catalogue.py"),
    # What we wrote ourselves: secrets, state and rows.
    "libs/cli/issuer/config.py": Reading("the development issuer's own file", "tests/cli/test_issuer.py"),
    "libs/cli/kafka_jars.py": Reading("the lock of the broker's jars", "tests/cli/test_kafka.py"),
    "libs/cli/local_parts.py": Reading("a server's own log", "tests/cli/test_postgres.py"),
    "libs/cli/migrate.py": Reading("the note of the last migration", _STATE),
    "libs/cli/people.py": Reading("the development people", "tests/cli/test_issuer.py"),
    "libs/cli/postgres.py": Reading("PostgreSQL's own files", "tests/cli/test_postgres.py"),
    "libs/cli/secrets.py": Reading("secrets", _OWN),
    "libs/cli/slots.py": Reading("a slot's record and the machine's ids", "tests/cli/test_slots.py"),
    "libs/cli/supervise.py": Reading("a secret", "tests/cli/test_cli.py"),
    "libs/cli/topics.py": Reading("the bus's passwords", "tests/cli/test_bus_rights.py"),
    "libs/cli/up.py": Reading("secrets", _STATE),
    "libs/cli/demo/chapters_proof.py": Reading("the logs of the demonstration", "tests/journeys/test_story.py"),
    "libs/cli/demo/receiver.py": Reading("a doorbell of our own", "tests/journeys/test_story.py"),
    "libs/common/revisions.py": Reading("SQL of a migration", "tests/consent/test_migrations.py"),
    "services/advis/app.py": Reading("secrets", _OWN),
    "services/advis/store_readings.py": Reading("a row of ours", "tests/advis/test_inbox.py"),
    "services/audit/log_key.py": Reading("the log's key", _OWN),
    "services/audit/reading.py": Reading("a leaf of ours", "tests/audit/test_api_entries.py"),
    "services/audit/signer.py": Reading("our own last checkpoint", "tests/audit/test_signer.py"),
    "services/audit/store.py": Reading("a row of ours", "tests/audit/test_gaps.py"),
    "services/audit/vault.py": Reading("keys, and what they opened", "tests/audit/test_commitments.py"),
    "services/consent/catalogue_admin_view.py": Reading(
        "our own document, to sort it", "tests/consent/test_catalogue_admin.py"
    ),
    "services/consent/cpr_vault.py": Reading("keys", "tests/consent/test_vault.py"),
    "services/consent/receipts.py": Reading("keys, and receipts of our own", "tests/consent/test_receipts.py"),
}
