"""`samtykkebro dead-letters`: arguments are read here; what is done stands in `dead_letters`."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from libs.cli import commands
from libs.cli.bus import topics
from libs.cli.dead_letters import letters as dead_letters_letters
from libs.cli.installation import secrets
from libs.cli.running.servers import BUS_URL
from libs.common.bus.opening import opened
from libs.common.bus.port import Bus, BusUnavailableError, OutgoingRecord
from libs.common.consuming.seal import Keys, SealError
from libs.common.wire.messages import DEAD_LETTER_SUFFIX

dead_letters_app = typer.Typer(help="Records that no consumer could handle.", no_args_is_help=True)
_Done = TypeVar("_Done")

Topic = Annotated[str, typer.Argument(help="the topic that the record was on, e.g. case.events.fasit")]
Name = Annotated[str, typer.Argument(help="the letter, as `list` shows it: <partition>/<offset>")]
KeysFile = Annotated[Path, typer.Option("--keys", help="the operator's own keys: operator/parking-keys.json")]


@dead_letters_app.command("list")
def show_letters(
    topic: Annotated[list[str] | None, typer.Option("--topic", help="these topics only; may be repeated")] = None,
) -> None:
    """Show what is parked: how many by reason, and where each letter lies. Nothing of a record is shown."""
    listing = _on_bus(lambda bus: dead_letters_letters.listed(bus, tuple(topic or _declared())))
    counts = Table(title="parked", title_justify="left")
    for heading in ("topic", "by", "reason", "letters"):
        counts.add_column(heading)
    for (name, service, reason), count in sorted(listing.counts.items()):
        counts.add_row(name, service, reason, str(count))
    commands.out.print(counts)
    letters = Table(title=f"the newest {len(listing.letters)}", title_justify="left")
    for heading in ("topic", "letter", "by", "reason", "place", "on the bus", "first parked", "bytes"):
        letters.add_column(heading, overflow="fold", no_wrap=heading in {"letter", "reason"})
    for letter in listing.letters:
        said = letter.said
        place = f"{said.place[1]}/{said.place[2]}"
        times = (f"{moment:%Y-%m-%d %H:%M:%SZ}" for moment in (said.timestamp, said.first_parked))
        size = f"{said.size} ({said.form})"
        letters.add_row(said.place[0], letter.name, said.service, said.reason, place, *times, size)
    commands.out.print(letters)


@dead_letters_app.command("open")
def open_letter(topic: Topic, letter: Name, keys: KeysFile) -> None:
    """Show the record in a letter. It may be about a person: do not keep what is printed."""
    record = _with_keys(keys, lambda own, bus: dead_letters_letters.opened_letter(bus, topic, letter, own))
    table = Table(title=f"{topic} {letter}", title_justify="left", show_header=False)
    table.add_column("field")
    table.add_column("value", overflow="fold")
    table.add_row("key", _shown(record.key_bytes))
    for name, value in record.headers:
        table.add_row(f"header {name!a}", _shown(value))
    table.add_row("value", _shown(None if "value" in record.null else record.value))
    commands.out.print(table, markup=False)


@dead_letters_app.command("send")
def send_letter(
    topic: Topic,
    letter: Name,
    keys: KeysFile,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Put the record in a letter back on its topic, signed as sent again.

    It tells only what has been covered without a break since it was first parked.
    """
    if not yes:
        typer.confirm(f"Send letter {letter} on {topic} again?", abort=True)
    _with_keys(keys, lambda own, bus: dead_letters_letters.send_again(bus, topic, letter, own))
    commands.out.print(f"the record in letter {letter} is on {topic} again")


def _declared() -> list[str]:
    return [topic.name for topic in topics.declared() if not topic.name.endswith(DEAD_LETTER_SUFFIX)]


def _with_keys(file: Path, act: Callable[[Keys, Bus], Awaitable[OutgoingRecord]]) -> OutgoingRecord:
    try:
        own = Keys.read(file)
        return _on_bus(lambda bus: act(own, bus))
    except (SealError, dead_letters_letters.NoSuchLetterError) as error:
        raise commands.failed(str(error)) from error


def _on_bus(act: Callable[[Bus], Awaitable[_Done]]) -> _Done:
    async def done(bus_url: str) -> _Done:
        async with opened(bus_url, client_id="dead-letters") as bus:
            return await act(bus)

    try:
        return asyncio.run(done(secrets.with_passwords(os.environ)[BUS_URL]))
    except KeyError as error:
        raise commands.failed(f"{error} is not set") from error
    except (BusUnavailableError, ValueError, OSError) as error:
        raise commands.failed(f"the bus cannot be read: {error}") from error


def _shown(content: bytes | None) -> str:
    """Bytes as printable ASCII."""
    return "null" if content is None else repr(content)[2:-1]
