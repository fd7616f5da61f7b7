"""How a process of a service is put together: the parts that its roles share, and the loops that it runs.

Start order: keys are read at once (a process without its keys must not look well), the database is reached lazily.
Stop order: the door first, then the loops, then what they share.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, Generic, Self, TypeVar

from fastapi import FastAPI

from libs.common.bus.opening import opened
from libs.common.consuming.consumer import Consumer, Handler
from libs.common.consuming.parking import Parking
from libs.common.consuming.seal import Keys
from libs.common.database.database import Bell, Database, clock
from libs.common.http.auth import TokenVerifier
from libs.common.http.cursors import CursorKeys
from libs.common.outbox.relay import Relay
from libs.common.running.health import Component, Conditions, kept_running
from libs.common.running.operations import Observer, bus_observer, operate, outbox_observer
from libs.common.running.process import Role
from libs.common.running.retention import keep_bus_purged
from libs.common.running.settings import CommonSettings, pool_of
from libs.common.service.app import Lifespan

DOOR: Final = "api"  # its failure ends the process; a loop begins anew

SettingsT = TypeVar("SettingsT", bound=CommonSettings)
OwnT = TypeVar("OwnT")
Loops = Mapping[str, Mapping[str, Callable[[OwnT], Awaitable[None]]]]
"""Role → loop → what runs it, given what the roles of the service share."""


@dataclass(frozen=True, slots=True)
class Parts(Generic[SettingsT]):
    """What the roles of one process share. `service` names it on the bus, too."""

    service: str
    settings: SettingsT
    database: Database
    bell: Bell
    conditions: Conditions

    @classmethod
    def of(cls, service: str, settings: SettingsT) -> Self:
        """The parts; nothing is connected yet."""
        database = Database(settings.database_url, application_name=settings.instance or service, **pool_of(settings))
        return cls(service, settings, database, Bell(database), Conditions())

    async def close(self) -> None:
        """Close what the roles share, after the last of them."""
        await self.bell.close()
        await self.database.close()

    @property
    def parking(self) -> Parking:
        """Where records go that cannot be handled. Raises SealError without the operator's keys."""
        return Parking(Keys.read(self.settings.parking_keys), self.service)

    @property
    def components(self) -> dict[str, Component]:
        """What readiness tells of the loops and of the bus."""
        return {"loops": self.conditions.component, "bus": self.conditions.bus}

    def lifespan(self, verifier: TokenVerifier, cursors: CursorKeys, **state: Any) -> Lifespan:
        """What the door is opened with, on `app.state`: these, and whatever else is the service's own."""

        @asynccontextmanager
        async def open_for(app: FastAPI) -> AsyncIterator[None]:
            shared = {"database": self.database, "bell": self.bell, "verifier": verifier, "cursors": cursors}
            for name, value in (shared | state).items():
                setattr(app.state, name, value)
            yield
            await verifier.close()

        return open_for

    async def consume(
        self, group: str, topics: Sequence[str], handler: Handler, *, horizon: timedelta | None = None
    ) -> None:
        """Run a `Consumer` on a bus of its own."""
        async with opened(self.settings.bus_url, client_id=f"{self.service}-consumer") as bus:
            consumer = Consumer(
                bus,
                self.database,
                group,
                topics,
                handler=handler,
                parking=self.parking,
                bell=self.bell,
                horizon=horizon,
                conditions=self.conditions,
            )
            await consumer.run()

    async def relay(self) -> None:
        """Run the relay on a bus of its own."""
        async with opened(self.settings.bus_url, client_id=f"{self.service}-relay") as bus:
            relay = Relay(self.database, bus, producer=self.service, bell=self.bell, conditions=self.conditions)
            await relay.run()

    async def purge_bus(self) -> None:
        """Keep the embedded bus within its horizon."""
        await keep_bus_purged(self.settings)

    async def answers(self) -> None:
        """A check of readiness: the database answers. Raises what it raises."""
        async with self.database.read() as session:
            await clock(session)


def loops_of(parts: Parts[Any], roles: Loops[OwnT], own: OwnT, observers: Mapping[str, Observer]) -> dict[str, Role]:
    """Every loop of `roles`, each given `own`, and what a process does beside them: it watches its figures.

    Each watches whether it reaches the bus, the relay's process the outbox, the worker's what is in `observers`. Only a
    door ends others when it fails.
    """
    loops: dict[str, Role] = {name: partial(run, own) for role in roles.values() for name, run in role.items()}
    watched: dict[str, Observer] = {"bus": bus_observer(parts.conditions)}
    if "relay" in roles:
        watched["outbox"] = outbox_observer(parts.settings)
    if "worker" in roles:
        watched |= observers
    loops["operations"] = partial(
        operate,
        parts.database,
        parts.settings,
        service=parts.service,
        observers=watched,
        components=parts.components,
    )
    return {
        name: run if name == DOOR else partial(kept_running, name, run, parts.conditions) for name, run in loops.items()
    }
