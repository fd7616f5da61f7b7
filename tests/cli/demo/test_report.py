"""A newcomer reads the demo on one screen, at 80 columns, and every code in it is explained."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from libs.cli.demo.report import LEGEND, PROMISES, Report
from tests.cli.demo.printed import LINES_MAX, WIDTH, printed, report_of

RECORDED = Path(__file__).with_name("story.json")
CODE = re.compile(r"\b(?:[A-Z]{2,}(?:[-_][A-Z]+)*|[a-z]{2,4}[0-9]{3}|[A-Z][0-9]{1,2}|[1-5][0-9]{2}(?= |;|,|$))\b")
COUNTS = re.compile(r"[0-9]+ (?:log entries|bus records|more events|inbox reads)")


@pytest.fixture(scope="module")
def report() -> Report:
    """A run that was recorded with `--json`."""
    return report_of(json.loads(RECORDED.read_text(encoding="utf-8")))


def test_a_run_fits_on_one_screen_and_in_eighty_columns(report: Report) -> None:
    lines = printed(report)
    assert len(lines) <= LINES_MAX
    assert not [line for line in lines if len(line) > WIDTH]


def test_every_code_that_is_shown_is_explained_on_the_same_screen(report: Report) -> None:
    shown = COUNTS.sub("", " ".join(printed(report)))
    explained = {*CODE.findall(LEGEND), *PROMISES}
    assert not set(CODE.findall(shown)) - explained
    for promise in report.promises:
        assert f"{promise.id} {promise.promise}" in shown


def test_verbose_tells_everything_that_the_report_holds(report: Report) -> None:
    told = re.sub(r"[\s│]+", "", "".join(printed(report, verbose=True)))
    for step in report.story:
        assert all(re.sub(r"\s+", "", words) in told for words in (step.happened, step.who, step.why))
    assert len(printed(report, verbose=True)) > LINES_MAX


def test_a_broken_promise_is_said_in_full(report: Report) -> None:
    broken = replace(report.promises[0], kept=False, how="BROKEN: the first; BROKEN: the second")
    lines = printed(replace(report, promises=[broken, *report.promises[1:]]))
    assert any("BROKEN: the second" in line for line in lines)
    assert any("a promise was broken" in line for line in lines)
