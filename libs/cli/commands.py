"""What the commands do once their arguments are read: call, and show the answer as a table.

A command ends by raising typer.Exit with its code; what went wrong is said on the error console, in one sentence.
"""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx2
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from libs import __version__
from libs.cli.installation.people import CITIZENS, CLIENTS, PAGES, REDIRECT_URI, STAFF
from libs.cli.installation.profiles import Ports, Profile
from libs.cli.issuer.login import SignInError, client_token, sign_in
from libs.cli.processes.local_parts import LocalPartError
from libs.cli.processes.state import state_dir
from libs.cli.running import generation
from libs.cli.running.up import StartError, System, keep_up, running_system
from libs.cli.supervising.fence import SupervisedHereError, fence
from libs.cli.supervising.holders import HolderCalls
from libs.cli.verifying.audit_verify import TIMEOUT_S, LogUnreadableError, Verdict, verify_with
from libs.cli.verifying.events_check import UnreadableFileError, check_file
from libs.cli.verifying.receipt import ReceiptError, UnreadableError, lines, read_jwks, verify_receipt
from libs.cli.verifying.receipt_chain import verify_chain
from libs.common.http.client import ClientCredentials, RefusedError, ServiceClient, UnreachableError
from libs.common.wire.sources import SourcesError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

FAILED, DOES_NOT_HOLD = 1, 2
_DOES = {
    "issuer": "signs in the development people and systems below; NOT FOR REAL USE",
    "consent": "who may: citizens, consents, receipts, the fence",
    "advis": "who wants: case events in, inboxes, doorbells",
    "audit": "what was done: the log and its proofs",
}


async def up(profile: Profile, folder: Path, ports: Ports) -> None:
    """Starts everything, shows it, and keeps it until Ctrl-C or SIGTERM. Exit 1 when it cannot be started."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        with suppress(asyncio.CancelledError):
            async with running_system(profile, folder, ports=ports, console=out) as system:
                _show(system)
                await keep_up(system, out)
    except (StartError, LocalPartError, OSError) as error:
        raise failed(str(error)) from error
    out.print("everything is stopped")


def show_events(file: Path, reference: Path, source: str | None) -> None:
    """What the ingestion door would refuse of a file of events. Exit 2 where there is anything, 1 when unreadable."""
    try:
        checked = check_file(file, reference, source=source)
    except (UnreadableFileError, SourcesError) as error:
        raise failed(str(error)) from error
    for finding in checked.findings:
        err.print(f"{finding.place}: {finding.field}: {finding.why}")
    if checked.findings:
        raise typer.Exit(DOES_NOT_HOLD)
    out.print(f"{checked.events} events, each as the door takes it")


def _show(system: System) -> None:
    doors = Table(title="samtykkebro is up", title_justify="left")
    for heading in ("door", "address", "what it does"):
        doors.add_column(heading, overflow="fold", no_wrap=heading == "address")
    for name, url in system.urls.items():
        doors.add_row(name, url, _DOES[name])
    out.print(doors)
    out.print("each service describes itself at /openapi.json")
    who = Table(title="development people and systems", title_justify="left")
    for heading in ("sign in as", "role", "unit"):
        who.add_column(heading)
    who.add_row(", ".join(citizen.username for citizen in CITIZENS), "citizen", "")
    for person in STAFF:
        units = [unit for unit in (person.unit, person.host_unit) if unit is not None]
        who.add_row(person.username, person.role, " or ".join(units))
    for client in CLIENTS:
        who.add_row(client.client_id, f"{client.role} (system)", client.unit or "")
    out.print(who)
    out.print(f"systems' secrets: {system.state_dir}/secrets/clients   logs: {system.log_dir}")
    token = f"$(samtykkebro token morten consent --issuer {system.urls['issuer']})"
    out.print(f'try: curl -H "Authorization: Bearer {token}" {system.urls["consent"]}/v1/me', soft_wrap=True)
    out.print("[bold]Ctrl-C[/] stops everything")


async def show_token(issuer_url: str, name: str, service: str, secret_file: Path | None) -> None:
    """Prints the token of a person or a system alone, for a command line to take.

    `secret_file`: a system's; None: that of `up` here. Exit 1 when the issuer refuses or is away.
    """
    try:
        if name in {client.client_id for client in CLIENTS}:
            token = await client_token(issuer_url, name, _secret(name, secret_file), service)
        else:
            token = await sign_in(issuer_url, PAGES, REDIRECT_URI, username=name, resource=service)
    except (SignInError, httpx2.TransportError, httpx2.InvalidURL) as error:
        raise failed(f"no token for {name} at {issuer_url}: {error}") from error
    out.print(token, soft_wrap=True)


def access(issuer_url: str, client_id: str, secret_file: Path | None, *, url: str, audience: str) -> ServiceClient:
    """A client of a service with an operator's or an auditor's credentials; `secret_file` None: that of `up` here."""
    credentials = ClientCredentials(issuer_url, client_id, _secret(client_id, secret_file), audience=audience)
    return ServiceClient(url, credentials=credentials, timeout_s=TIMEOUT_S)


def _secret(client_id: str, secret_file: Path | None) -> str:
    file = secret_file or state_dir() / "secrets" / "clients" / client_id
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise failed(f"the secret of {client_id} cannot be read: {error}") from error


async def show_holders(client: ServiceClient) -> None:
    """Every process that holds permits and is not confirmed dead."""
    async with client:
        try:
            living = await HolderCalls(client).living()
        except (UnreachableError, RefusedError) as error:
            raise failed(f"consent: {error}") from error
    table = Table()
    for heading in ("holder", "slot", "registered", "ordered to end", "open permits"):
        table.add_column(heading, no_wrap=heading == "holder", overflow="fold")
    for item in living:
        names = ("holder_id", "slot", "registered_at", "fence_ordered_at", "open_permits")
        table.add_row(*(str(item.get(name) or "") if name != "open_permits" else str(item[name]) for name in names))
    out.print(table)


async def fence_holder(client: ServiceClient, holder_id: UUID) -> None:
    """Confirms a death on the operator's word."""
    async with client:
        try:
            await fence(HolderCalls(client), holder_id, state_dir() / "slots")
        except RefusedError as error:
            reason = "there is no such holder" if error.status == 404 else str(error)
            raise failed(f"consent refuses: {reason}") from error
        except (UnreachableError, SupervisedHereError) as error:
            raise failed(str(error)) from error
    out.print(f"holder {holder_id} is confirmed dead; what it had open counts as perhaps shown")


async def raise_generation(profile: Profile, folder: Path | None, services: Sequence[str], *, above: int) -> None:
    """Raises the generations of an installation of `up`, and says from what to what."""
    try:
        await generation.raise_generations(
            profile, folder or state_dir(), tell=out.print, services=services, above=above
        )
    except (generation.NotRaisedError, StartError, LocalPartError, OSError) as error:
        raise failed(str(error)) from error
    except SQLAlchemyError as error:
        raise failed(f"PostgreSQL refuses: {type(error).__name__}") from error


def show_receipt(file: Path, jwks: str) -> None:
    """Verifies, then prints what the signature covers."""
    with _verifying("receipt"):
        content = verify_receipt(file.read_text(encoding="utf-8-sig"), read_jwks(jwks))
    table = Table(title="the receipt holds", title_justify="left", show_header=False)
    table.add_column("field")
    table.add_column("value", overflow="fold")  # a hash that is cut cannot be compared
    for row in lines(content):
        table.add_row(*row)
    out.print(table)


def show_chain(file: Path, jwks: str) -> None:
    """Verifies every receipt and that none is missing between them, then prints one line each."""
    with _verifying("chain"):
        chain = verify_chain(file.read_text(encoding="utf-8-sig"), read_jwks(jwks))
    table = Table(title=f"the chain holds: {len(chain)} receipts", title_justify="left")
    for heading in ("number", "issued", "event", "SHA-256"):
        table.add_column(heading, overflow="fold")
    for held in chain:
        table.add_row(
            str(held.sequence), str(held.content.get("issued_at")), str(held.content.get("event")), held.sha256
        )
    out.print(table)


@contextmanager
def _verifying(what: str) -> Iterator[None]:
    try:
        yield
    except ReceiptError as error:
        err.print(f"[bold red]the {what} does not hold:[/] {error}")
        raise typer.Exit(DOES_NOT_HOLD) from error
    except (UnreadableError, OSError, UnicodeDecodeError) as error:
        raise failed(f"the {what} cannot be verified: {error}") from error


async def show_verdict(client: ServiceClient, *, vkey: str | None, known: Path | None) -> None:
    """Verifies the log and prints what was found."""
    async with client:
        try:
            kept = known.read_text(encoding="utf-8-sig") if known else None  # noqa: ASYNC240  (one small file)
            verdict = await verify_with(client, vkey=vkey, known=kept)
        except (LogUnreadableError, OSError, UnicodeDecodeError) as error:
            raise failed(f"the log cannot be read: {error}") from error
    _print_verdict(verdict)
    raise typer.Exit(verdict.exit_code)


def _print_verdict(verdict: Verdict) -> None:
    table = Table(title="the audit log", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("found", overflow="fold")
    table.add_row("log", verdict.origin)
    table.add_row("entries hashed again", str(verdict.leaves))
    table.add_row("of them signed", str(verdict.signed))
    table.add_row("root", verdict.root)
    table.add_row("numbered lanes", str(verdict.lanes))
    table.add_row("does not hold", "\n".join(verdict.findings) or "nothing")
    missing = (f"{g.producer}/{g.generation}/{g.lane}: {g.first}–{g.last}" for g in verdict.gaps)
    table.add_row("numbers missing", "\n".join(missing) or "none")
    out.print(table)
    if verdict.key_from_log:
        err.print("[yellow]the key came from the log itself: give --vkey from a place you trust[/]")


def failed(reason: str) -> typer.Exit:
    """Says why, and gives the exit to raise."""
    err.print(f"[bold red]{reason}[/]", soft_wrap=True)
    return typer.Exit(FAILED)


def show_version(wanted: bool) -> None:
    """Print the version and stop, where it is asked for."""
    if wanted:
        out.print(__version__)
        raise typer.Exit
