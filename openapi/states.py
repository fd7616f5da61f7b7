"""The state diagrams of the documentation, drawn from the tables that the code runs on (law 4)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from services.advis.notifications import doorbell, notification
from services.consent.attestations import attestation
from services.consent.citizens import authority
from services.consent.consents import consent
from services.consent.decision.epochs import PERMIT_TRANSITIONS

_State = TypeVar("_State")

HEAD = """# States

Drawn from the transitions tables by `make specifications`; a test fails when they differ.
Nothing else may change a status.
"""


def diagrams() -> str:
    """The whole page in Markdown, one Mermaid diagram per thing that has a status."""
    sections = {
        "A consent (`services/consent/consents/consent.py`)": _pairs(consent.TRANSITIONS),
        "An authority to act for somebody (`services/consent/citizens/authority.py`)": _pairs(authority.TRANSITIONS),
        "What an employee attests (`services/consent/attestations/attestation.py`)": _pairs(attestation.TRANSITIONS),
        "A permit (`services/consent/decision/epochs.py`)": _pairs(PERMIT_TRANSITIONS),
        "A notification (`services/advis/notifications/notification.py`)": _acts(notification.TRANSITIONS.items()),
        "A doorbell (`services/advis/notifications/doorbell.py`)": _acts(doorbell.TRANSITIONS.items()),
    }
    return HEAD + "".join(f"\n## {title}\n\n{_mermaid(edges)}" for title, edges in sections.items())


def _pairs(table: Mapping[_State, Iterable[_State]]) -> list[tuple[str, str, str]]:
    """State → next states as edges."""
    return sorted((str(old), str(new), "") for old, news in table.items() for new in news)


def _acts(table: Iterable[tuple[tuple[str, str], str]]) -> list[tuple[str, str, str]]:
    """(state, act) → state as edges; an act that changes nothing is not drawn."""
    return sorted((str(old), str(new), str(act)) for (old, act), new in table if old != new)


def _mermaid(edges: list[tuple[str, str, str]]) -> str:
    return "\n".join(["```mermaid", "stateDiagram-v2", *_lines(edges), "```", ""])


def _lines(edges: list[tuple[str, str, str]]) -> Iterator[str]:
    for old, new, act in edges:
        yield f"    {old} --> {new}{f' : {act}' if act else ''}"
    for final in sorted({new for _, new, _ in edges} - {old for old, _, _ in edges}):
        yield f"    {final} --> [*]"
