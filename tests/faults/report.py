"""What a run prints and leaves: a line for each invariant, a JSON report, a page with all of it on one time line."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from tests.faults.checker import SHOWN_MAX, Verdict, without_effect
from tests.faults.evidence import Evidence, FaultLine
from tests.faults.run import Outcome
from tests.faults.trend import Trend, summary

WIDTH, LEFT, ROW = 1400, 190, 15
GROWTH_SHOWN = 8  # tables on the console; the report has all


def print_verdicts(console: Console, verdicts: Sequence[Verdict], outcome: Outcome, seed: int) -> None:
    """One line each, and the offending lines of what is broken."""
    for verdict in verdicts:
        colour = "green" if verdict.held else "red"
        console.print(f"[{colour}]{verdict.line()}[/]", highlight=False, soft_wrap=True)
        for line in verdict.broken[:SHOWN_MAX]:
            console.print(f"      {line}", highlight=False, soft_wrap=True, markup=False)
        if len(verdict.broken) > SHOWN_MAX:
            console.print(f"      … and {len(verdict.broken) - SHOWN_MAX} more")
        if verdict.undecided:
            console.print(f"      nothing of: {', '.join(verdict.undecided)}", markup=False)
    if outcome.problem:
        console.print(f"[red]{outcome.problem}[/]", highlight=False)
    _print_figures(console, outcome.evidence)
    faults = outcome.evidence.faults
    reached = sum(fault.took_effect for fault in faults)
    console.print(f"{len(faults)} faults, {reached} took effect, seed {seed}", highlight=False)
    if undone := without_effect(outcome.evidence):
        console.print(f"[red]asked for and not done: {', '.join(undone)}[/]", highlight=False, soft_wrap=True)


def _print_figures(console: Console, evidence: Evidence) -> None:
    for line in evidence.growth[:GROWTH_SHOWN]:
        console.print(_grown(line), highlight=False, markup=False)
    for trend in evidence.trends:
        if len(trend.rates) == 1 or not trend.is_good:
            console.print(_trend(trend), highlight=False, markup=False, soft_wrap=True)
    for line in evidence.latencies:
        console.print(_took(line), highlight=False, markup=False)
    console.print(summary(evidence.trends, evidence.load_s), highlight=False, soft_wrap=True)


def _grown(line: Mapping[str, int | str]) -> str:
    rows, kilobytes = f"{line['rows_before']} -> {line['rows_after']}", int(line["bytes_after"]) // 1024
    return f"grew: {line['table']}: {rows} rows, {int(line['bytes_before']) // 1024} -> {kilobytes} kB"


def _trend(trend: Trend) -> str:
    rates = ", ".join(f"{rate:+.2f}" for rate in trend.rates)
    per = "a minute" if len(trend.rates) == 1 else "for 1,000 calls in either half"
    change = f"{trend.first:.0f} -> {trend.last:.0f} {trend.unit}"
    return f"{trend.verdict}: {trend.figure}: {change}{f', {rates} {per}' if rates else ''}"


def _took(line: Mapping[str, int | str]) -> str:
    where = f"{line['call']}, third {line['third']}: {line['calls']} calls"
    return f"took: {where}, p50 {line['p50_ms']} ms, p99 {line['p99_ms']} ms"


def write(folder: Path, verdicts: Sequence[Verdict], outcome: Outcome, seed: int) -> tuple[Path, Path]:
    """`report.json` and `timeline.html` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "seed": seed,
        "held": all(verdict.held for verdict in verdicts) and not outcome.problem,
        "problem": outcome.problem,
        "verdicts": [asdict(verdict) | {"held": verdict.held} for verdict in verdicts],
        "growth": list(outcome.evidence.growth),
        "memory": list(outcome.evidence.memory),
        "latencies": list(outcome.evidence.latencies),
        "trends": [asdict(trend) for trend in outcome.evidence.trends],
        "flat": summary(outcome.evidence.trends, outcome.evidence.load_s),
        "asked for and not done": without_effect(outcome.evidence),
        "faults": [asdict(fault) for fault in outcome.evidence.faults],
    }
    report, page = folder / "report.json", folder / "timeline.html"
    report.write_text(json.dumps(document, indent=1), encoding="utf-8")
    page.write_text(_page(verdicts, outcome.evidence, seed), encoding="utf-8")
    return report, page


def _page(verdicts: Sequence[Verdict], evidence: Evidence, seed: int) -> str:
    lines = "".join(
        f"<li class={'held' if verdict.held else 'broken'}>{html.escape(verdict.line())}</li>" for verdict in verdicts
    )
    return (
        "<!doctype html><meta charset=utf-8><title>Fault run</title><style>"
        "body{font:13px system-ui;margin:24px}li{font-family:monospace;white-space:pre-wrap}"
        ".held{color:#176b2c}.broken{color:#b00020}text{font:11px system-ui}</style>"
        f"<h1>Fault run, seed {seed}</h1><ul>{lines}</ul>{_drawing(evidence)}"
        "<p>Above: each fault from its beginning to its end. Below, one row a scope: red, from a withdrawal to its 200;"
        " grey, closed until the next consent; blue, an answer with content; orange, a doorbell.</p>"
    )


def _drawing(evidence: Evidence) -> str:
    began, ended = evidence.began_ns, max(evidence.ended_ns, evidence.began_ns + 1)

    def x(at: int) -> float:
        return LEFT + (WIDTH - LEFT - 10) * min(1.0, max(0.0, (at - began) / (ended - began)))

    rows: list[str] = []
    faults = sorted(evidence.faults, key=lambda fault: fault.began_ns)
    for place, fault in enumerate(faults):
        rows.append(_fault(fault, x(fault.began_ns), x(fault.ended_ns), place * ROW))
    top = (len(faults) + 1) * ROW
    scopes = sorted({one.scope for one in evidence.withdrawals})
    for place, scope in enumerate(scopes):
        y = top + place * 2 * ROW
        rows.append(f"<text x=2 y={y + 11}>{html.escape(scope[0][:8])} {html.escape(scope[2])}</text>")
        gaps = (gap for gap in evidence.closed if gap.scope == scope)
        rows += [_bar(x(gap.since_ns), x(gap.until_ns), y, "#ddd") for gap in gaps]
        acts = (one for one in evidence.withdrawals if one.scope == scope)
        rows += [_bar(x(one.asked_ns), x(one.answered_ns or ended), y, "#d22") for one in acts]
        rows += _disclosures(evidence, scope, x, y)
    height = top + (len(scopes) + 1) * 2 * ROW
    return f'<svg width={WIDTH} height={height} xmlns="http://www.w3.org/2000/svg">{"".join(rows)}</svg>'


def _fault(fault: FaultLine, since: float, until: float, y: int) -> str:
    label = f"<text x=2 y={y + 11}>{html.escape(fault.name)}</text>"
    title = html.escape(f"{fault.name}: {fault.detail}")
    return label + _bar(since, until, y, "#8a63d2" if fault.outage else "#555", title)


def _bar(since: float, until: float, y: int, colour: str, title: str = "") -> str:
    width = max(1.5, until - since)
    return f'<rect x={since:.1f} y={y} width={width:.1f} height=11 fill="{colour}"><title>{title}</title></rect>'


def _disclosures(evidence: Evidence, scope: tuple[str, str, str], x: object, y: int) -> Iterable[str]:
    for write_ in evidence.writes:
        if any(scope in evidence.permits[p].epochs for p in write_.permits if p in evidence.permits):
            colour = "#2266dd" if write_.kind == "http" else "#f08a00"
            yield f'<rect x={x(write_.t):.1f} y={y + 13} width=1.2 height=9 fill="{colour}"/>'  # type: ignore[operator]
