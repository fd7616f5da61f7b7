"""Reference data as advis reads it: subscriptions spelled out, labels in two languages, endpoints checked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.common.running.retention import purge
from services.advis.reference.reference import ReferenceDataError, load
from services.advis.reference.subscription import Subscription
from services.advis.retention import RETENTION
from tests.advis.conftest import REFERENCE_DIR
from tests.advis.world.reading import rows, value


def test_bif_hears_sof_and_sof_hears_bif_for_the_purposes_of_each_event(reference):
    wanted = reference.subscriptions
    assert Subscription("BIF-KANTEN", "sof.rusmiddel.opstartet", "KOORDINERING") in wanted
    assert Subscription("SOF-BCV", "bif.forloeb.udeblevet", "KOORDINERING") in wanted
    assert Subscription("SOF-BCV", "sof.rusmiddel.opstartet", "KOORDINERING") not in wanted
    assert Subscription("BIF-KANTEN", "sof.rusmiddel.opstartet", "BOLIG_FOREBYGGELSE") not in wanted


def test_nobody_subscribes_to_what_is_never_disclosed(reference):
    heard = {one.event_type for one in reference.subscriptions}
    assert not [code for code in heard if not reference.event_types[code].reveals]
    assert "bif.sag.aabnet" in reference.event_types


def test_a_code_without_words_is_its_own_label(reference):
    assert reference.label("units", "NO-SUCH-UNIT", "da") == "NO-SUCH-UNIT"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("- {unit: BIF-KANTEN, url: 'ftp://x', secret_file: s}", "url"),
        ("- {unit: BIF-KANTEN, url: 'https://user:pw@x/', secret_file: s}", "url"),
        ("- {unit: BIF-KANTEN, url: 'https://x/', secret_file: '../s'}", "secret_file"),
        ("- {unit: BIF-KANTEN, url: 'https://x/', secret_file: s}\n" * 2, "unit"),
        ("{", "YAML"),
    ],
)
def test_an_endpoint_that_cannot_be_right_is_refused_by_name(content, named, tmp_path: Path):
    file = tmp_path / "endpoints.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ReferenceDataError, match=named):
        load(REFERENCE_DIR, file)


def test_outside_development_a_doorbell_rings_over_tls_or_not_at_all(tmp_path: Path):
    file = tmp_path / "endpoints.yaml"
    file.write_text("- {unit: BIF-KANTEN, url: 'http://x/', secret_file: s}", encoding="utf-8")
    assert load(REFERENCE_DIR, file).endpoints
    with pytest.raises(ReferenceDataError, match="https"):
        load(REFERENCE_DIR, file, tls_only=True)


def test_a_named_endpoints_file_must_be_there(tmp_path: Path):
    with pytest.raises(ReferenceDataError, match=r"nothing\.yaml"):
        load(REFERENCE_DIR, tmp_path / "nothing.yaml")


async def test_storage_ends_after_30_days_for_what_is_done_and_90_for_the_rest(intake, database, settings):
    for number in range(5):
        await intake.advis(case_reference=f"BIF-26-{number}")
    now = datetime.now(UTC)
    ages = [("handled", 31, 31), ("handled", 29, 29), ("cancelled", 31, 31), ("unread", 89, 89), ("unread", 91, 91)]
    for number, (state, arrived, changed) in enumerate(ages):
        async with database.write() as session:
            await session.exec_driver_sql(
                "UPDATE notification SET state = $1, arrived_at = $2, changed_at = $3 WHERE case_reference = $4",
                (state, now - timedelta(days=arrived), now - timedelta(days=changed), f"BIF-26-{number}"),
            )
    assert await purge(database, "notification", RETENTION["notification"], settings) == 3
    kept = await rows(database, "SELECT case_reference FROM notification ORDER BY 1")
    assert [row.case_reference for row in kept] == ["BIF-26-1", "BIF-26-3"]
    assert await value(database, "SELECT count(*) FROM inbox") == 10
