"""Every module that reads a file or parses bytes: what it reads, and the test that sends it what it must not take.

A module that begins to parse and is not here fails a test: what it reads is a door of its own, or another one's.
"""

from typing import Final, NamedTuple


class Reading(NamedTuple):
    """`what` is read, as an operator would call it; `test` is the file of the test that gives it hostile content."""

    what: str
    test: str


_OWN = "tests/cli/installation/test_secrets.py"
_STATE = "tests/cli/running/test_up.py"

READINGS: Final[dict[str, Reading]] = {
    # What comes from others.
    "libs/cli/verifying/audit_leaves.py": Reading(
        "the log's leaves, from a server or a file", "tests/cli/verifying/test_audit_verify.py"
    ),
    "libs/cli/commands.py": Reading(
        "a receipt, a chain, a kept checkpoint, a secret", "tests/cli/verifying/test_receipt.py"
    ),
    "libs/cli/verifying/events_check.py": Reading(
        "a source's file of events; the reference data", "tests/cli/verifying/test_events_check.py"
    ),
    "libs/common/bus/port.py": Reading("topics.yaml; a record's headers", "tests/common/wire/test_sources.py"),
    "libs/common/bus/case_events.py": Reading(
        "a case event, by HTTP, bus or file", "tests/advis/ingestion/test_ingestion.py"
    ),
    "libs/common/http/client.py": Reading("another service's answer", "tests/common/http/test_client.py"),
    "libs/common/http/cursors.py": Reading("a cursor, and the keys that seal it", "tests/common/http/test_cursors.py"),
    "libs/common/http/keysets.py": Reading("an issuer's key set", "tests/common/http/test_keysets.py"),
    "libs/common/consuming/parking.py": Reading(
        "a parked record, and what is said of it", "tests/common/consuming/test_parking.py"
    ),
    "libs/common/consuming/seal.py": Reading(
        "the operator's keys, statements and seals", "tests/common/consuming/test_parking.py"
    ),
    "libs/common/running/settings.py": Reading("the names of the settings", "tests/cli/running/test_given_settings.py"),
    "libs/common/wire/values.py": Reading("YAML files", "tests/common/wire/test_sources.py"),
    "libs/common/wire/sources.py": Reading("sources.yaml", "tests/common/wire/test_sources.py"),
    "services/advis/arrivals/consent_consumer.py": Reading("consent.events", "tests/advis/arrivals/test_consumer.py"),
    "services/advis/reference/reference.py": Reading("reference data", "tests/advis/reference/test_reference.py"),
    "services/audit/log/incoming.py": Reading("audit.entries", "tests/audit/completeness/test_gaps.py"),
    "services/consent/catalogue_administration/files.py": Reading(
        "reference data", "tests/consent/catalogue_administration/test_reference.py"
    ),
    "services/consent/catalogue/form.py": Reading(
        "reference data", "tests/consent/catalogue_administration/test_reference.py"
    ),
    # What we wrote ourselves: secrets, state and rows.
    "libs/cli/issuer/config.py": Reading("the development issuer's own file", "tests/cli/issuer/test_issuer.py"),
    "libs/cli/bus/kafka_jars.py": Reading("the lock of the broker's jars", "tests/cli/bus/test_kafka.py"),
    "libs/cli/processes/local_parts.py": Reading("a server's own log", "tests/cli/installation/test_postgres.py"),
    "libs/cli/running/migrate.py": Reading("the note of the last migration", _STATE),
    "libs/cli/installation/people.py": Reading("the development people", "tests/cli/issuer/test_issuer.py"),
    "libs/cli/installation/postgres.py": Reading("PostgreSQL's own files", "tests/cli/installation/test_postgres.py"),
    "libs/cli/installation/secrets.py": Reading("secrets", _OWN),
    "libs/cli/supervising/slots.py": Reading(
        "a slot's record and the machine's ids", "tests/cli/supervising/test_slots.py"
    ),
    "libs/cli/supervising/supervise.py": Reading("a secret", "tests/cli/test_cli.py"),
    "libs/cli/bus/topics.py": Reading("the bus's passwords", "tests/cli/bus/test_bus_rights.py"),
    "libs/cli/running/up.py": Reading("secrets", _STATE),
    "libs/cli/demo/chapters_proof.py": Reading("the logs of the demonstration", "tests/journeys/test_story.py"),
    "libs/cli/demo/receiver.py": Reading("a doorbell of our own", "tests/journeys/test_story.py"),
    "libs/common/database/revisions.py": Reading("SQL of a migration", "tests/consent/test_migrations.py"),
    "services/advis/app.py": Reading("secrets", _OWN),
    "services/advis/inbox/readings_store.py": Reading("a row of ours", "tests/advis/inbox/test_inbox.py"),
    "services/audit/checkpoints/key.py": Reading("the log's key", _OWN),
    "services/audit/log/opened.py": Reading("a leaf of ours", "tests/audit/reading/test_api.py"),
    "services/audit/checkpoints/signer.py": Reading(
        "our own last checkpoint", "tests/audit/checkpoints/test_signer.py"
    ),
    "services/audit/log/store.py": Reading("a row of ours", "tests/audit/completeness/test_gaps.py"),
    "services/audit/keys/vault.py": Reading("keys, and what they opened", "tests/audit/leaves/test_commitments.py"),
    "services/consent/catalogue_administration/views.py": Reading(
        "our own document, to sort it", "tests/consent/catalogue_administration/test_api.py"
    ),
    "services/consent/citizens/vault.py": Reading("keys", "tests/consent/citizens/test_vault.py"),
    "services/consent/http/signing.py": Reading(
        "keys, and receipts of our own", "tests/consent/receipts/test_receipts.py"
    ),
}
