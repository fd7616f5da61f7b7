"""The secrets of an installation: made once, never replaced, and never in an environment file."""

import base64
import json
import stat
from pathlib import Path

import pytest
from joserfc.jwk import KeySet

from libs.cli.installation.secrets import Secrets, prepare, rotate_cursor_keys, with_passwords
from libs.common.http.cursors import CursorKeys


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return prepare(tmp_path / "secrets")


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def read(secrets: Secrets, service: str, name: str) -> dict[str, object]:
    return json.loads((secrets.service(service) / name).read_text())


def test_the_keys_have_the_shape_that_the_services_read(secrets: Secrets) -> None:
    cpr = read(secrets, "consent", "cpr-keys.json")
    assert cpr["active"] == "1"
    keys = [cpr["lookup"]["1"], cpr["encryption"]["1"], *read(secrets, "audit", "subject-keys.json").values()]
    keys.append(read(secrets, "audit", "log-key.json")["seed"])
    assert [len(base64.b64decode(key, validate=True)) for key in keys] == [32] * 5
    assert len(set(keys)) == 5


def test_the_receipt_key_is_a_private_ed25519_key_with_an_id(secrets: Secrets) -> None:
    keys = KeySet.import_key_set(read(secrets, "consent", "receipt-keys.json"))
    assert [(key.curve_name, key.is_private, bool(key.kid)) for key in keys.keys] == [("Ed25519", True, True)]


def test_no_service_gets_the_folder_of_another(secrets: Secrets) -> None:
    assert {path.name for path in secrets.service("consent").iterdir()} == {
        "cpr-keys.json",
        "receipt-keys.json",
        "cursor-keys.json",
    }
    assert {path.name for path in secrets.service("audit").iterdir()} == {
        "log-key.json",
        "subject-keys.json",
        "cursor-keys.json",
    }
    assert {path.name for path in secrets.service("advis").iterdir()} == {"cursor-keys.json"}


def test_everything_is_closed_to_others(secrets: Secrets) -> None:
    secrets.password("consent")
    secrets.client("up")
    found = modes(secrets.folder)
    assert {mode for name, mode in found.items() if (secrets.folder / name).is_file()} == {0o600}
    assert {mode for name, mode in found.items() if (secrets.folder / name).is_dir()} == {0o700}
    assert stat.S_IMODE(secrets.folder.stat().st_mode) == 0o700


def test_for_containers_the_files_open_and_the_folder_does_not(secrets: Secrets) -> None:
    secrets.readable_by_containers()
    found = modes(secrets.folder)
    assert {mode for name, mode in found.items() if name.endswith(".json") and "operator" not in name} == {0o444}
    assert found["operator/parking-keys.json"] == 0o600  # what no container gets
    assert stat.S_IMODE(secrets.folder.stat().st_mode) == 0o700


def test_preparing_again_replaces_nothing_and_makes_what_is_missing(secrets: Secrets) -> None:
    kept = {path: path.read_bytes() for path in secrets.folder.rglob("*.json")}
    password, token = secrets.password("advis"), secrets.client("demo").read_text()
    gone = secrets.service("audit") / "log-key.json"
    gone.unlink()
    again = prepare(secrets.folder)
    assert {path: path.read_bytes() for path in kept if path != gone} == {p: b for p, b in kept.items() if p != gone}
    assert gone.read_bytes() != kept[gone]
    assert (again.password("advis"), again.client("demo").read_text()) == (password, token)


def test_two_installations_share_no_secret(tmp_path: Path, secrets: Secrets) -> None:
    other = prepare(tmp_path / "other")
    assert other.password("consent") != secrets.password("consent")
    for path in secrets.folder.rglob("*.json"):
        assert (other.folder / path.relative_to(secrets.folder)).read_bytes() != path.read_bytes()


def test_a_password_from_a_file_goes_into_the_url(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss/word\n")
    found = with_passwords(
        {
            "SAMTYKKEBRO_DATABASE_URL": "postgresql+asyncpg://consent@db:5432/consent?ssl=require",
            "SAMTYKKEBRO_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
            "SAMTYKKEBRO_BUS_URL": "kafka://kafka:9092",
        }
    )
    assert found == {
        "SAMTYKKEBRO_DATABASE_URL": "postgresql+asyncpg://consent:p%40ss%2Fword@db:5432/consent?ssl=require",
        "SAMTYKKEBRO_BUS_URL": "kafka://kafka:9092",
    }


def test_a_password_file_works_with_a_socket_folder(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    found = with_passwords(
        {
            "SAMTYKKEBRO_MIGRATION_DATABASE_URL": "postgresql+asyncpg://owner@/consent?host=%2Fsocket",
            "SAMTYKKEBRO_MIGRATION_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
        }
    )
    assert found == {"SAMTYKKEBRO_MIGRATION_DATABASE_URL": "postgresql+asyncpg://owner:secret@/consent?host=%2Fsocket"}


@pytest.mark.parametrize(
    "url", ["", "postgresql+asyncpg://db/consent", "postgresql+asyncpg://consent:inline@db/consent"]
)
def test_a_password_file_without_a_user_or_beside_a_password_is_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "password").write_text("secret")
    environment = {
        "SAMTYKKEBRO_DATABASE_URL": url,
        "SAMTYKKEBRO_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
    }
    with pytest.raises(ValueError, match="SAMTYKKEBRO_DATABASE_URL") as refused:
        with_passwords(environment)
    assert "inline" not in str(refused.value)


def test_a_password_file_that_is_not_there_is_an_error_not_an_empty_password(tmp_path: Path) -> None:
    environment = {
        "SAMTYKKEBRO_DATABASE_URL": "postgresql+asyncpg://consent@db/consent",
        "SAMTYKKEBRO_DATABASE_PASSWORD_FILE": str(tmp_path / "absent"),
    }
    with pytest.raises(FileNotFoundError):
        with_passwords(environment)


def test_cursor_keys_are_rotated_and_the_one_before_is_kept(secrets: Secrets) -> None:
    (secrets.service("audit") / "cursor-keys.json").chmod(0o444)
    first = {name: read(secrets, name, "cursor-keys.json")["keys"] for name in ("consent", "advis", "audit")}
    for _ in range(2):
        before = {name: read(secrets, name, "cursor-keys.json")["keys"] for name in first}
        rotate_cursor_keys(secrets.folder)
        for name, keys in before.items():
            new = read(secrets, name, "cursor-keys.json")["keys"]
            assert (len(new), new[1]) == (2, keys[0])
            assert CursorKeys.load(secrets.service(name)).keys
    assert all(first[name][0] not in read(secrets, name, "cursor-keys.json")["keys"] for name in first)
    assert modes(secrets.folder)["audit/cursor-keys.json"] == 0o444
    assert len({keys[0] for keys in first.values()}) == 3
