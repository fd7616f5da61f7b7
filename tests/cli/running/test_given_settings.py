"""A setting that is given and unknown stops the start; one that is given to `up` reaches the services that know it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from libs.cli.__main__ import app
from libs.cli.installation.profiles import (
    REFERENCE,
    Profile,
    SettingNotUsedError,
    migrations,
    operators_settings,
    programs,
)
from libs.common.bus.port import load_topics
from libs.common.running.settings import CommonSettings, MigrationSettings, UnknownSettingError, declared
from services.advis.reference.reference import ReferenceDataError, load
from services.consent.catalogue_administration.files import read
from services.consent.model.errors import CatalogueError
from tests.cli.running.test_profiles import SETTINGS, by_name, plan
from tests.servers import ROOT

EX_CONFIG = 78
RUNNING = {
    "SAMTYKKEBRO_DATABASE_URL": "postgresql+asyncpg://u:hemmeligt@nowhere.invalid/d",
    "SAMTYKKEBRO_BUS_URL": "kafka+tls://nowhere.invalid:9092",
    "SAMTYKKEBRO_ISSUER_URL": "http://nowhere.invalid",
}


def started(service: str, role: str, **told: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMTYKKEBRO_")}
    command = (sys.executable, "-m", f"services.{service}", role)
    return subprocess.run(
        command, cwd=ROOT, env=kept | RUNNING | told, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("service", sorted(SETTINGS))
@pytest.mark.parametrize("role", ["relay", "migrate"])
def test_a_misspelled_setting_stops_the_start_and_the_right_name_is_shown(service: str, role: str) -> None:
    told = {"SAMTYKKEBRO_LOG_LEVLE": "hemmeligt"}
    if role == "migrate":
        told["SAMTYKKEBRO_MIGRATION_DATABASE_URL"] = "postgresql+asyncpg://u:hemmeligt@nowhere.invalid/d"
    ended = started(service, role, **told)
    assert ended.returncode == EX_CONFIG, ended.stderr
    assert "SAMTYKKEBRO_LOG_LEVLE is no setting; the nearest is SAMTYKKEBRO_LOG_LEVEL" in ended.stderr
    assert "hemmeligt" not in ended.stderr + ended.stdout


def test_a_refused_value_is_named_and_not_shown() -> None:
    ended = started("consent", "relay", SAMTYKKEBRO_LOG_LEVEL="hemmeligt")
    assert ended.returncode == EX_CONFIG
    assert ended.stderr.startswith("settings: SAMTYKKEBRO_LOG_LEVEL: ")
    assert "hemmeligt" not in ended.stderr


@pytest.mark.parametrize("service", sorted(SETTINGS))
def test_another_services_setting_is_accepted_and_named_as_unused(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RUNNING.items():
        monkeypatch.setenv(name, value)
    other = next(iter(declared(*(set(SETTINGS) - {service})) - declared("common", service)))
    monkeypatch.setenv(other, "1")
    assert SETTINGS[service]().unused() == [other]


def test_every_setting_is_declared_in_the_examples_and_every_declaration_is_a_setting() -> None:
    classes = {name: form.variables() for name, form in SETTINGS.items()}
    for service, variables in classes.items():
        assert variables <= declared("common", service), service
    read = frozenset.union(CommonSettings.variables(), MigrationSettings.variables(), *classes.values())
    assert declared("common", "migrate", *SETTINGS) <= read
    assert not declared("cli") & read, "what the command reads for itself is kept from the services"


def test_the_command_refuses_an_unknown_setting_before_it_does_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMTYKKEBRO_STAET_DIR", str(tmp_path))
    refused = CliRunner().invoke(app, ["secrets", str(tmp_path / "made")])
    assert refused.exit_code == 1
    assert "SAMTYKKEBRO_STAET_DIR is no setting; the nearest is SAMTYKKEBRO_STATE_DIR" in refused.output
    assert not (tmp_path / "made").exists()


def test_what_the_operator_sets_reaches_each_service_that_knows_it_and_no_other(tmp_path: Path) -> None:
    told = {
        "SAMTYKKEBRO_LOG_LEVEL": "DEBUG",
        "SAMTYKKEBRO_DRAIN_WAIT_MS": "17",
        "SAMTYKKEBRO_LEASE_MS": "400",
        "SAMTYKKEBRO_CHECKPOINT_EVERY_S": "9",
        "SAMTYKKEBRO_STATE_DIR": str(tmp_path),
        "PATH": "/bin",
    }
    settings = operators_settings("embedded", told)
    made = plan(tmp_path, settings=settings)
    found = {name: program.environment for name, program in by_name(programs(made)).items()}
    for service, known in (("consent", {"DRAIN_WAIT_MS", "LEASE_MS"}), ("advis", {"LEASE_MS"}), ("audit", set())):
        for name in ("DRAIN_WAIT_MS", "LEASE_MS"):
            variable = f"SAMTYKKEBRO_{name}"
            assert found[service].get(variable) == (told[variable] if name in known else None), (service, name)
        assert found[service]["SAMTYKKEBRO_LOG_LEVEL"] == "DEBUG"
        assert "SAMTYKKEBRO_STATE_DIR" not in found[service]
    assert found["audit"]["SAMTYKKEBRO_CHECKPOINT_EVERY_S"] == "9"
    for program in migrations(made):
        assert "SAMTYKKEBRO_DRAIN_WAIT_MS" not in program.environment


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ("embedded", "PORT"),
        ("embedded", "DATABASE_URL"),
        ("embedded", "ADMIN_DATABASE_URL"),
        ("embedded", "BUS_URL"),
        ("distributed", "ISSUER_URL"),
        ("distributed", "SUPERVISOR_ID"),
        ("distributed", "MIGRATION_DATABASE_URL"),
    ],
)
def test_what_up_decides_itself_or_does_not_use_is_refused(profile: Profile, name: str) -> None:
    with pytest.raises(SettingNotUsedError, match=f"SAMTYKKEBRO_{name}"):
        operators_settings(profile, {f"SAMTYKKEBRO_{name}": "x"})
    with pytest.raises(UnknownSettingError, match="SAMTYKKEBRO_PROT is no setting; the nearest is SAMTYKKEBRO_PORT"):
        operators_settings(profile, {"SAMTYKKEBRO_PROT": "1"})


def test_your_own_servers_count_in_the_distributed_profile() -> None:
    names = ("SAMTYKKEBRO_ADMIN_DATABASE_URL", "SAMTYKKEBRO_BUS_URL")
    assert operators_settings("distributed", dict.fromkeys(names, "x")) == {}


def test_an_unknown_key_in_a_file_of_ours_is_refused_by_name_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "topics.yaml").write_text("topics: [{name: x, partitions: 1, replicaton_factor: 3}]")
    with pytest.raises(ValueError, match="replicaton_factor is no field; the nearest is replication_factor"):
        load_topics(tmp_path / "topics.yaml")

    (tmp_path / "endpoints.yaml").write_text("[{unit: A, url: 'https://a', secret_file: b, cleint_id: c}]")
    with pytest.raises(ReferenceDataError, match=r"0\.cleint_id: .*; the nearest is client_id"):
        load(REFERENCE, tmp_path / "endpoints.yaml")

    for field, key in (("label", "dk"), ("reveals", "rle")):
        folder = tmp_path / field
        shutil.copytree(REFERENCE, folder)
        entries = yaml.safe_load((folder / "event_types.yaml").read_text())
        entry = next(entry for entry in entries if entry.get(field))
        (entry[field] if field == "label" else entry[field][0])[key] = "x"
        (folder / "event_types.yaml").write_text(yaml.safe_dump(entries))
        with pytest.raises(CatalogueError, match=rf"{field}\.(0\.)?{key}: is not a field of this kind"):
            read(folder)
