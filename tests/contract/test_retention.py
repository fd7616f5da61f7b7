"""Law 12: every table of ours has an end, or a reason for having none; and every period is a setting."""

import pytest

from libs.common.running.retention import Kept, Retention, period_of
from libs.common.running.settings import CommonSettings
from openapi.retention import SERVICES
from services.advis.tables import metadata as advis
from services.audit.tables import metadata as audit
from services.consent.tables import metadata as consent

TABLES = {
    "consent": set(consent.tables),
    "advis": set(advis.tables),
    "audit": set(audit.tables),
    "bus (embedded)": {"bus_partition", "bus_record", "bus_horizon", "bus_grant"},
}


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_names_its_retention(service: str) -> None:
    assert set(SERVICES[service][0]) == TABLES[service]


@pytest.mark.parametrize(("retention", "settings"), SERVICES.values(), ids=list(SERVICES))
def test_every_rule_has_a_reason_and_its_period_is_a_setting(
    retention: Retention, settings: type[CommonSettings]
) -> None:
    required = {"database_url": "none", "bus_url": "none", "issuer_url": "none", "audience": "none"}
    for table, rules in retention.items():
        if isinstance(rules, Kept):
            assert len(rules.why) > 5, table
            continue
        assert rules, table
        for rule in rules:
            assert rule.what
            assert period_of(settings(**required), rule.period).total_seconds() > 0
