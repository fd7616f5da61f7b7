"""The table of processes: who runs, what each is told, and what each is not told."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from libs.cli.installation import people, secrets
from libs.cli.installation.databases import DatabaseUrls
from libs.cli.installation.profiles import (
    DISCLOSING,
    HOST,
    SERVICES,
    Plan,
    Ports,
    Profile,
    migrations,
    process_name,
    programs,
)
from libs.cli.processes.children import Program
from libs.common.running.settings import MigrationSettings
from libs.common.wire.permits import Slot
from services.advis.settings import Settings as AdvisSettings
from services.audit.settings import Settings as AuditSettings
from services.consent.settings import Settings as ConsentSettings

SETTINGS = {"consent": ConsentSettings, "advis": AdvisSettings, "audit": AuditSettings}
PROFILES: tuple[Profile, ...] = ("embedded", "distributed")

BUS_USERS = {
    "embedded": SERVICES,
    "distributed": tuple(f"{service}-{role}" for service in SERVICES for role in ("relay", "consumer")),
}


def plan(
    tmp_path: Path, profile: Profile = "embedded", *, settings: Mapping[str, str] | None = None, **more: str
) -> Plan:
    names = (*SERVICES, "bus")
    databases = {
        name: DatabaseUrls(f"postgresql+asyncpg://{name}:r@/x", f"postgresql+asyncpg://{name}:o@/x") for name in names
    }
    return Plan(
        profile,
        Ports(),
        databases,
        {name: f"kafka://{name}:b@127.0.0.1:9092" for name in BUS_USERS[profile]},
        "kafka://127.0.0.1:9092",
        secrets=secrets.prepare(tmp_path / "secrets"),
        issuer_config=tmp_path / "issuer.json",
        state_dir=tmp_path,
        log_dir=tmp_path / "logs",
        endpoints_file=tmp_path / "endpoints.json",
        settings=settings or {},
        more=more,
    )


def by_name(found: tuple[Program, ...]) -> Mapping[str, Program]:
    assert len({program.name for program in found}) == len(found)
    return {program.name: program for program in found}


def test_the_embedded_profile_is_one_process_a_service_and_the_issuer(tmp_path: Path) -> None:
    assert set(by_name(programs(plan(tmp_path)))) == {"issuer", "consent", "advis", "audit"}


def test_the_distributed_profile_is_one_process_a_role(tmp_path: Path) -> None:
    roles = {f"{service}-{role}" for service in SERVICES for role in ("api", "consumer", "relay", "worker")}
    assert set(by_name(programs(plan(tmp_path, "distributed")))) == {"issuer", *roles}


@pytest.mark.parametrize("profile", PROFILES)
def test_what_discloses_has_a_slot_and_stops_first_and_nothing_else_does(tmp_path: Path, profile: Profile) -> None:
    disclosing = {process_name(service, role) for service, role in DISCLOSING}
    found = programs(plan(tmp_path, profile))
    first = min(program.rank for program in found)
    for program in found:
        assert (program.slot is not None) == (program.name in disclosing) == (program.rank == first), program.name
        if program.slot:
            TypeAdapter(Slot).validate_python(program.slot)
            assert program.slot.startswith(f"{people.SUPERVISOR}/")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_issuer_stops_last(tmp_path: Path, profile: Profile) -> None:
    found = programs(plan(tmp_path, profile))
    assert [program.name for program in found if program.rank == max(p.rank for p in found)] == ["issuer"]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_process_is_told_what_its_settings_ask_for(
    tmp_path: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in programs(plan(tmp_path, profile))[1:]:
        service = program.name.partition("-")[0]
        with monkeypatch.context() as patched:
            for name, value in program.environment.items():
                patched.setenv(name, value)
            settings = SETTINGS[service]()
            assert settings.instance == program.name
            assert settings.audience == service
            fields = {f"SAMTYKKEBRO_{name.upper()}" for name in SETTINGS[service].model_fields}
            ours = {name for name in program.environment if name.startswith("SAMTYKKEBRO_")}
            assert ours <= fields, "a variable that the service does not know"


def test_a_process_never_sees_the_secrets_of_another(tmp_path: Path) -> None:
    for program in programs(plan(tmp_path, "distributed")):
        service = program.name.partition("-")[0]
        text = " ".join(program.environment.values())
        for other in set(SERVICES) - {service}:
            assert f"//{other}:" not in text
            assert f"//{other}-" not in text
            assert f"secrets/{other}" not in text
        assert ":o@" not in text, "the owner's URL belongs to the migrations alone"


def test_only_the_migrations_get_the_owners_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in migrations(plan(tmp_path)):
        with monkeypatch.context() as patched:
            for name, value in program.environment.items():
                patched.setenv(name, value)
            assert ":o@" in MigrationSettings().migration_database_url
        assert program.slot is None


def test_nothing_of_our_own_environment_leaks_into_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMTYKKEBRO_ADMIN_DATABASE_URL", "canary")
    monkeypatch.setenv("PGPASSWORD", "canary")
    made = plan(tmp_path)
    for program in (*programs(made), *migrations(made)):
        assert "canary" not in program.environment.values()


def test_what_the_starter_adds_reaches_every_process(tmp_path: Path) -> None:
    made = plan(tmp_path, SAMTYKKEBRO_LOG_LEVEL="DEBUG")
    for program in (*programs(made), *migrations(made)):
        assert program.environment["SAMTYKKEBRO_LOG_LEVEL"] == "DEBUG"


def test_a_command_line_holds_no_secret_and_a_program_shows_none(tmp_path: Path) -> None:
    made = plan(tmp_path, "distributed")
    for program in (*programs(made), *migrations(made)):
        assert "asyncpg" not in " ".join(program.command)
        assert "asyncpg" not in repr(program)
    assert "asyncpg" not in repr(made)


def test_the_issuer_refuses_to_be_anything_but_a_development_issuer(tmp_path: Path) -> None:
    issuer = by_name(programs(plan(tmp_path)))["issuer"]
    assert issuer.environment["SAMTYKKEBRO_PROFILE"] == "development"


def test_free_ports_are_four_that_nobody_listens_on() -> None:
    ports = Ports.free()
    assert len({ports.issuer, ports.consent, ports.advis, ports.audit}) == 4
    assert ports.taken() == ()
    with socket.create_server((HOST, ports.advis)):
        assert ports.taken() == (ports.advis,)


def test_a_citizens_number_is_a_replacement_number_made_once(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    numbers = people.numbers(file)
    assert set(numbers) == {*(citizen.username for citizen in people.CITIZENS), people.CHILD}
    assert len(set(numbers.values())) == len(numbers)
    for name, number in numbers.items():
        assert number.isdecimal()
        assert len(number) == 10
        assert 61 <= int(number[:2]) <= 91
        assert (int(number[4:6]) >= 58) == (name != people.CHILD), "adults 18xx, the child 20xx"
    assert people.numbers(file) == numbers
    assert file.stat().st_mode & 0o077 == 0
    assert people.numbers(tmp_path / "others.json") != numbers


def test_the_issuer_knows_every_number_and_secret_and_only_citizens_have_numbers(tmp_path: Path) -> None:
    kept = secrets.prepare(tmp_path / "secrets")
    numbers = people.numbers(tmp_path / "people.json")
    config = people.issuer_config("http://127.0.0.1:1", tmp_path / "key", numbers, kept)
    for user in config["users"]:
        assert (user["cpr"] is not None) == ("citizen" in user["roles"]) == (user["username"] in numbers)
    assert people.CHILD not in {user["username"] for user in config["users"]}
    for client in config["clients"]:
        public = client["grant_types"] == ["authorization_code"]
        assert (client["client_secret"] is None) == public
    ids = [client["client_id"] for client in config["clients"]]
    assert len(set(ids)) == len(ids)
