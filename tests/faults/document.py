"""The figures of a run in `docs/faults.md`, written by the run itself."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.checker import Verdict
from tests.faults.run import Outcome
from tests.faults.trend import Trend, summary
from tests.tree import ROOT

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- figures: written by the run -->", "<!-- end of the figures -->"
ROWS_SHOWN_MIN = 500


def put(page: Path, text: str) -> None:
    """Replace what stands between the two marks. Raises ValueError where they are not."""
    before, begun, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"there is no place for figures in {page.name}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def figures(outcome: Outcome, verdicts: Sequence[Verdict], command: str) -> str:
    """Markdown: how it was run, what held, and every figure with its verdict."""
    evidence = outcome.evidence
    held = sum(verdict.held for verdict in verdicts)
    today = datetime.now(UTC).date().isoformat()
    load = f"{os.cpu_count()} processors, load {os.getloadavg()[1]:.0f}"
    shown = [trend for trend in evidence.trends if _is_shown(trend)]
    return "\n".join(
        [
            f"`{command}` on {today}, {load}: {summary(evidence.trends, evidence.load_s)}. {held} of {len(verdicts)}",
            f"invariants held, {len(evidence.faults)} faults.",
            "",
            *_problems(outcome, verdicts),
            "| held | after the warm-up → at the end | per minute | verdict |",
            "|---|---|---|---|",
            *(_held(trend) for trend in shown if len(trend.rates) == 1),
            "",
            "| written | rows after the warm-up → at the end | for 1,000 calls, first and second half | verdict |",
            "|---|---|---|---|",
            *(_written(trend) for trend in shown if len(trend.rates) == 2),
            "",
            "| call | p50 in ms, by thirds | p99 in ms, by thirds |",
            "|---|---|---|",
            *_calls(evidence.latencies),
        ]
    )


def _is_shown(trend: Trend) -> bool:
    return not trend.is_good or len(trend.rates) == 1 or (len(trend.rates) == 2 and trend.last >= ROWS_SHOWN_MIN)


def _problems(outcome: Outcome, verdicts: Iterable[Verdict]) -> list[str]:
    lines = [verdict.line() for verdict in verdicts if not verdict.held]
    lines += [outcome.problem] if outcome.problem else []
    return ["```", *lines, "```", ""] if lines else []


def _held(trend: Trend) -> str:
    change = f"{trend.first:,.0f} → {trend.last:,.0f} {trend.unit}"
    return f"| {trend.figure} | {change} | {trend.rates[0]:+.2f} | {trend.verdict} |"


def _written(trend: Trend) -> str:
    rates = ", ".join(f"{rate:,.0f}" for rate in trend.rates)
    return f"| {trend.figure} | {trend.first:,.0f} → {trend.last:,.0f} | {rates} | {trend.verdict} |"


def _calls(lines: Sequence[Mapping[str, int | str]]) -> Iterable[str]:
    for call in dict.fromkeys(line["call"] for line in lines):
        mine = [line for line in lines if line["call"] == call]
        p50, p99 = (", ".join(f"{line[name]:,}" for line in mine) for name in ("p50_ms", "p99_ms"))
        yield f"| {call} | {p50} | {p99} |"
