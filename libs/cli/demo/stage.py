"""The stage the story is played on: who is there, what was seen, and what each promise's checks found."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from libs.cli.demo.actors import JSON, Caseworker, Citizen, Door, SourceSystem
from libs.cli.demo.receiver import Receiver
from libs.cli.demo.report import PROMISES, Promise, Report, Step

T = TypeVar("T")

PATIENCE_S = 20.0  # how long the story waits for something that must happen
GLANCE_S = 0.6  # how long it looks for something that must not


class StoryError(Exception):
    """Something that had to happen did not, within PATIENCE_S."""


@dataclass
class Stage:
    """Everyone by name, and the notebook."""

    receiver: Receiver
    citizens: dict[str, Citizen] = field(default_factory=dict)
    caseworkers: dict[str, Caseworker] = field(default_factory=dict)
    sources: dict[str, SourceSystem] = field(default_factory=dict)
    staff: dict[str, Door] = field(default_factory=dict)  # employees who speak to consent
    dpo: Door | None = None
    child: str = ""
    numbers: list[str] = field(default_factory=list)  # every CPR number in play: none may be found elsewhere
    number_of: dict[str, str] = field(default_factory=dict)  # by citizen, as they would say it
    entries: int = 0  # in the audit log, when it was verified
    disclosed: dict[tuple[str, str], str] = field(default_factory=dict)  # (notification id, employee) → event type
    report: Report = field(default_factory=Report)
    on_step: Callable[[int, Step], None] = lambda _number, _step: None
    _checks: list[tuple[str, bool, str]] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def begin(self, on_step: Callable[[int, Step], None]) -> None:
        """Start the story's clock; `on_step` is called with each step as it happens."""
        self._began = time.monotonic()
        self.on_step = on_step

    def tell(self, title: str, happened: str, who: str, why: str) -> None:
        """Add one step to the story and show it."""
        step = Step(title, happened, who, why, round(time.monotonic() - self._began, 2))
        self.report.story.append(step)
        self.on_step(len(self.report.story), step)

    def check(self, promise: str, kept: bool, how: str) -> None:
        """Write down one check of one promise, kept or not."""
        self._checks.append((promise, kept, how))

    async def look(self, employee: str, query: str = "") -> list[JSON]:
        """One caseworker reads their inbox; what was shown is written down."""
        items = await self.caseworkers[employee].inbox(query)
        for item in items:
            self.disclosed[item["notification_id"], employee] = item["event_type"]
        return items

    async def until_told(self, employee: str, event_type: str, case_reference: str) -> JSON:
        """Wait until this caseworker's inbox shows this event in this case. Raises StoryError if it never does."""

        async def shown() -> JSON | None:
            items = await self.look(employee)
            return next(
                (i for i in items if (i["event_type"], i["case_reference"]) == (event_type, case_reference)), None
            )

        return await eventually(shown, f"{employee} to be told of {event_type} in {case_reference}")

    async def nobody_but(self, employee: str, notification_id: str) -> bool:
        """Whether every other caseworker's inbox is without this notification."""
        others = [name for name in self.caseworkers if name != employee]
        inboxes = await asyncio.gather(*(self.look(name) for name in others))
        return all(item["notification_id"] != notification_id for inbox in inboxes for item in inbox)

    def finish(self) -> Report:
        """Close the notebook: one row per promise that was checked, kept only if every check of it held."""
        self.report.seconds = round(time.monotonic() - self._began, 2)
        for promise, name in PROMISES.items():
            rows = [(kept, how) for checked, kept, how in self._checks if checked == promise]
            if rows:
                broken = [f"BROKEN: {how}" for kept, how in rows if not kept]
                how = "; ".join(broken or dict.fromkeys(how for _, how in rows))
                self.report.promises.append(Promise(promise, name, not broken, how))
        return self.report


async def eventually(attempt: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Ask again until there is an answer. Raises StoryError after PATIENCE_S, naming what was waited for."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        answer = await attempt()
        if answer is not None:
            return answer
        await asyncio.sleep(0.02)
    raise StoryError(f"waited {PATIENCE_S:.0f} s in vain for {what}")
