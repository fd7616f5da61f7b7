"""The page for the operator knows every alarm and every metric that it promises."""

import re

import pytest

from libs.common.observing.metrics import REGISTRY
from libs.common.running.alarms import AlarmCode
from tests.architecture.tree import ROOT

PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", AlarmCode)
def test_every_alarm_is_explained(code: AlarmCode) -> None:
    assert re.search(rf"^\| .*`{code}`.* \| .+ \| .+ \|$", PAGE, re.MULTILINE)


def test_every_metric_on_the_page_exists() -> None:
    declared = {family.name.removeprefix("samtykkebro_") for family in REGISTRY.collect()}
    named = set(re.findall(r"`(?:samtykkebro_|…_)([a-z_]+?)(?:_total)?(?:\{[a-z,]+\})?`", PAGE))
    assert len(named) > 10
    assert named <= declared


def test_no_label_is_a_name_for_a_person_or_an_id() -> None:
    allowed = {"topic", "partition", "reason", "sweep", "table", "kind", "route", "method", "status", "reader", "pool"}
    used = {name for family in REGISTRY._names_to_collectors.values() for name in getattr(family, "_labelnames", ())}
    assert used <= allowed | {"list", "code", "generation", "loop"}
