"""The main job as a newcomer runs it: one command, in either form, and what it prints is true."""

import json
import subprocess
import sys

import pytest

from libs.cli.demo.report import PROMISES, Promise, Report
from tests.cli.demo.printed import LINES_MAX, WIDTH, printed, report_of

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
MUST_BE_CHECKED = {"P1", "P2", "P3", "P4", "P5", "P7", "P9", "P10"}
STORY_SECONDS_MAX = 30.0  # after set-up; the issue's own bound on what a person waits for


def _demo(*arguments: str) -> tuple[int, dict]:
    command = [sys.executable, "-m", "libs.cli", "demo", "--json", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert ended.stdout, ended.stderr[-4000:]
    document = json.loads(ended.stdout)
    lines = printed(report_of(document))
    assert ended.stderr.splitlines() == lines[: len(ended.stderr.splitlines())], "the story, as it happened"
    assert len(lines) <= LINES_MAX
    assert all(len(line) <= WIDTH for line in lines)
    return ended.returncode, document


def _judge(code: int, document: dict) -> None:
    broken = [row for row in document["promises"] if not row["kept"]]
    assert not broken
    assert code == 0
    assert {row["id"] for row in document["promises"]} >= MUST_BE_CHECKED
    assert all(row["how"] for row in document["promises"])
    assert {row["id"] for row in document["promises"]} <= set(PROMISES)
    assert [step["title"] for step in document["story"]]
    assert all(step["happened"] and step["who"] and step["why"] for step in document["story"])
    assert any(gap["id"] == "P8" for gap in document["not_yet"])


def test_the_demo_keeps_every_promise_that_it_lists() -> None:
    code, document = _demo()
    _judge(code, document)
    assert document["seconds"] < STORY_SECONDS_MAX


@pytest.mark.kafka
@pytest.mark.usefixtures("broker")
def test_the_same_story_with_every_role_its_own_process_over_kafka() -> None:
    code, document = _demo("--distributed")
    _judge(code, document)


def test_a_broken_promise_is_a_failing_run() -> None:
    report = Report(promises=[Promise("P1", "x", kept=True, how="y"), Promise("P2", "x", kept=False, how="y")])
    assert not report.kept
    assert not Report().kept, "a run that checked nothing has kept nothing"
    assert Report(promises=report.promises[:1]).kept
