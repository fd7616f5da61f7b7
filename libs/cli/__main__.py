"""`samtykkebro`: where an operator starts. Arguments are read here; what a command does stands in `commands`.

Exit codes: 0 done, 1 could not be done, 2 something does not hold (a receipt, the log), 3 the log has a gap.
"""

import asyncio
import logging
import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from libs.cli import commands
from libs.cli.bus import kafka, topics
from libs.cli.bus.bus_grants import ROLE_PREFIX
from libs.cli.dead_letters.command import dead_letters_app
from libs.cli.demo.command import demo
from libs.cli.installation import secrets
from libs.cli.installation.databases import BUS, SERVICES
from libs.cli.installation.profiles import REFERENCE, Ports, Profile
from libs.cli.processes.state import state_dir
from libs.cli.running import generation
from libs.cli.running.servers import BUS_URL
from libs.cli.supervising import supervise
from libs.common.bus.port import BusUnavailableError
from libs.common.running.settings import GENERATION_MAX, UnknownSettingError, declared, require_known
from libs.common.wire.identifiers import parse_uuid
from libs.common.wire.sources import SourcesError

app = typer.Typer(
    name="samtykkebro",
    help="A consent bridge between municipal administrations: who may be told what, now, and the proof of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
receipt_app = typer.Typer(help="A citizen's receipts.", no_args_is_help=True)
audit_app = typer.Typer(help="The audit log.", no_args_is_help=True)
app.command("demo")(demo)
app.add_typer(dead_letters_app, name="dead-letters")

FIRST_PORT = 8100
STATE_DIR = "SAMTYKKEBRO_STATE_DIR"
PASSWORDS = (
    BUS,
    *(f"{ROLE_PREFIX}{service}" for service in SERVICES),
    *(f"{service}{suffix}" for service in SERVICES for suffix in ("", "_owner")),
)
Issuer = Annotated[str, typer.Option("--issuer", envvar="SAMTYKKEBRO_ISSUER_URL", help="who issues our token")]
Consent = Annotated[str, typer.Option("--consent", envvar="SAMTYKKEBRO_CONSENT_URL", help="the consent service")]
SecretFile = Annotated[
    Path | None, typer.Option("--secret-file", help="the client's secret; without it, that of `up` on this machine")
]
ClientId = Annotated[str, typer.Option("--client", help="the client we are at the issuer")]


@app.callback()
def begin(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=commands.show_version, is_eager=True, help="print the version and stop"),
    ] = False,
) -> None:
    """Stops where the environment holds a variable of ours that nothing knows."""
    try:
        require_known(os.environ, declared())
    except UnknownSettingError as error:
        raise commands.failed(str(error)) from error


@app.command()
def up(
    *,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="every role its own process, over Kafka; your servers where named")
    ] = False,
    folder: Annotated[Path | None, typer.Option("--state-dir", envvar=STATE_DIR, help="data, secrets and logs")] = None,
    port: Annotated[
        int,
        typer.Option(
            help="the issuer's port; consent, advis and audit take the next three, the operator's listeners from +10",
            min=1,
            max=65511,
        ),
    ] = FIRST_PORT,
) -> None:
    """Start everything on this machine and keep it running until Ctrl-C.

    With --distributed, SAMTYKKEBRO_ADMIN_DATABASE_URL and SAMTYKKEBRO_BUS_URL name your own PostgreSQL and Kafka. A
    service's settings in the environment reach that service; one that this command decides itself is refused.
    """
    ports = Ports(port, port + 1, port + 2, port + 3, port + 10)
    asyncio.run(commands.up("distributed" if distributed else "embedded", folder or state_dir(), ports))


@app.command("supervise")
def supervise_role(service: str, role: str) -> None:
    """Run one role of one service under a supervisor of its own: PID 1 of a container. Settings: the environment."""
    if (service, role) not in supervise.KNOWN:
        raise typer.BadParameter(f"there is no role {role!r} of a service {service!r}")
    try:
        if role in supervise.ONE_SHOT:
            supervise.become(service, role)
        asyncio.run(supervise.supervise(service, role))
    except (supervise.UnsetError, ValueError, OSError) as error:
        raise commands.failed(str(error)) from error


@app.command("token")
def development_token(
    name: Annotated[str, typer.Argument(help="a person or a system that `up` names, e.g. morten, bif101, fasit")],
    service: Annotated[str, typer.Argument(help="consent, advis or audit")],
    *,
    issuer: Issuer = f"http://127.0.0.1:{FIRST_PORT}",
    secret_file: SecretFile = None,
) -> None:
    """Sign in a development person or system and print an access token, to try the doors that `up` opened with."""
    asyncio.run(commands.show_token(issuer, name, service, secret_file))


@app.command("holders")
def list_holders(
    *,
    issuer: Issuer = f"http://127.0.0.1:{FIRST_PORT}",
    consent: Consent = f"http://127.0.0.1:{FIRST_PORT + 1}",
    client: ClientId = "operator",
    secret_file: SecretFile = None,
) -> None:
    """List the processes that hold permits: what a withdrawal that stays unanswered may be waiting for."""
    access = commands.access(issuer, client, secret_file, url=consent, audience="consent")
    asyncio.run(commands.show_holders(access))


@app.command("fence")
def fence_holder(
    holder: Annotated[UUID, typer.Argument(parser=parse_uuid)],
    *,
    issuer: Issuer = f"http://127.0.0.1:{FIRST_PORT}",
    consent: Consent = f"http://127.0.0.1:{FIRST_PORT + 1}",
    client: ClientId = "operator",
    secret_file: SecretFile = None,
    dead: Annotated[
        bool, typer.Option("--i-have-made-sure-that-it-is-dead", help="answer the question beforehand")
    ] = False,
) -> None:
    """Say that a process is dead which no machine can prove dead. Audited; it is your word that citizens rely on."""
    if not dead:
        typer.confirm(f"Have you made sure that the process of holder {holder} is dead?", abort=True)
    access = commands.access(issuer, client, secret_file, url=consent, audience="consent")
    asyncio.run(commands.fence_holder(access, holder))


@receipt_app.command("verify")
def verify_receipt(
    file: Annotated[Path, typer.Argument(help="the receipt, or the whole answer that it came in")],
    jwks: Annotated[str, typer.Option(help="the published keys: a file, or an address")],
    *,
    chain: Annotated[bool, typer.Option("--chain", help="the file is a citizen's whole chain of receipts")] = False,
) -> None:
    """Verify a receipt, or a whole chain, offline and print what is signed. Exit 2 when it does not hold."""
    if chain:
        commands.show_chain(file, jwks)
    else:
        commands.show_receipt(file, jwks)


@audit_app.command("verify")
def verify_audit(
    *,
    url: Annotated[
        str, typer.Option(envvar="SAMTYKKEBRO_AUDIT_URL", help="the audit service")
    ] = f"http://127.0.0.1:{FIRST_PORT + 3}",
    issuer: Issuer = f"http://127.0.0.1:{FIRST_PORT}",
    client: ClientId = "auditor",
    secret_file: SecretFile = None,
    vkey: Annotated[str | None, typer.Option(help="the log's key, from a place you trust")] = None,
    known: Annotated[
        Path | None, typer.Option("--known-checkpoint", help="a checkpoint kept from an earlier day")
    ] = None,
) -> None:
    """Fetch the whole log, hash it again and compare it with what was signed. Exit 2: broken, 3: numbers missing."""
    access = commands.access(issuer, client, secret_file, url=url, audience="audit")
    asyncio.run(commands.show_verdict(access, vkey=vkey, known=known))


@app.command("secrets")
def make_secrets(
    folder: Path,
    containers: Annotated[
        bool, typer.Option("--for-containers", help="readable by the users of containers; the folder alone protects")
    ] = False,
    rotate_cursors: Annotated[
        bool,
        typer.Option("--rotate-cursor-keys", help="new keys for page cursors; those of the keys before still open"),
    ] = False,
) -> None:
    """Make every key and database password that an installation needs, once; leaves what exists alone."""
    try:
        kept = secrets.prepare(folder)
        if rotate_cursors:
            secrets.rotate_cursor_keys(folder)
        for role in (*PASSWORDS, "postgres"):
            kept.password(role)
        for grant in topics.declared_grants(embedded=False):
            kept.bus(grant.principal)
        kept.once("bus_jaas", kafka.jaas(kept.bus(kafka.ADMIN)))
        if containers:
            kept.readable_by_containers()
    except OSError as error:
        raise commands.failed(f"the secrets cannot be kept: {error}") from error


@app.command("topics")
def make_topics(
    passwords: Annotated[
        Path | None,
        typer.Option(help="a folder with bus_<principal> files, to set on Kafka with everybody's rights"),
    ] = None,
) -> None:
    """Create the bus's topics that are missing, as the owner of the bus that SAMTYKKEBRO_BUS_URL names."""
    try:
        found = None if passwords is None else topics.passwords_in(passwords)
        bus_url = secrets.with_passwords(os.environ)[BUS_URL]
        for name in asyncio.run(topics.ensure_topics(bus_url, passwords=found)):
            commands.out.print(name)
    except KeyError as error:
        raise commands.failed(f"{error} is not set") from error
    except (BusUnavailableError, SourcesError, ValueError, OSError) as error:
        raise commands.failed(str(error)) from error


events_app = typer.Typer(help="Case events of a source system.", no_args_is_help=True)


@events_app.command("check")
def check_events(
    file: Annotated[Path, typer.Argument(help="CloudEvents: one JSON document, a batch, or one document a line")],
    source: Annotated[str | None, typer.Option("--source", help="the code of the source in sources.yaml")] = None,
    reference: Annotated[Path, typer.Option("--reference", help="the folder of reference data")] = REFERENCE,
) -> None:
    """Check a file of events offline by the rules of the door. Exit 2 when one would be refused, 1 when unreadable."""
    commands.show_events(file, reference, source)


generation_app = typer.Typer(help="After a database lost commits.", no_args_is_help=True)


@generation_app.callback()
def about_generations() -> None:
    """After a database lost commits."""


@generation_app.command("raise")
def raise_generation(
    *,
    service: Annotated[
        str | None, typer.Option(help="this one's database alone; needed where the environment names its owner's URL")
    ] = None,
    above: Annotated[
        int, typer.Option(help="the highest generation in use since the backup, if known", min=0, max=GENERATION_MAX)
    ] = 0,
    distributed: Annotated[bool, typer.Option("--distributed", help="the installation of `up --distributed`")] = False,
    state_dir: Annotated[Path | None, typer.Option(envvar=STATE_DIR, help="the folder of `up`")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="answer the question beforehand")] = False,
) -> None:
    """Let nothing count that lost commits handed out: needed after a restored backup, or a failover that lost some.

    In containers, where SAMTYKKEBRO_MIGRATION_DATABASE_URL is set, one --service at a time.
    """
    if service not in {None, *SERVICES}:
        raise typer.BadParameter(f"there is no service {service!r}")
    commands.out.print(generation.MEANING)
    if not yes:
        typer.confirm("Is everything stopped, and do you want this?", abort=True)
    if os.environ.get(generation.OWNER_URL):
        if service is None:
            raise typer.BadParameter(f"{generation.OWNER_URL} names one database: say whose with --service")
        os.environ[generation.ABOVE] = str(above)
        supervise.become(service, "generation")
    profile: Profile = "distributed" if distributed else "embedded"
    services = SERVICES if service is None else (service,)
    asyncio.run(commands.raise_generation(profile, state_dir, services, above=above))


app.add_typer(events_app, name="events")
app.add_typer(generation_app, name="generation")
app.add_typer(receipt_app, name="receipt")
app.add_typer(audit_app, name="audit")


def main() -> None:
    """The console script."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # what fails is raised; the rest is no operator's
    app()


if __name__ == "__main__":
    main()
