"""Runs proofs against test builds: first against an unchanged one, where each must pass, then against each mutant.

All of them share one PostgreSQL and its migrated templates: no mutant touches a migration, and each test has a database
of its own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import servers
from tests.builds import ROOT, Edit, build, environment
from tests.mutants.mutant import Invariant, Mutant, Proof
from tests.mutants.verdict import Verdict, of_faults, of_tests

PROOF_SECONDS_MAX = 600
TEST_SECONDS_MAX = 240  # a busy machine must not be taken for a broken rule
_RAN = {0, 1}  # pytest's and the fault run's own codes for "it ran", and "it ran, and found a violation"
_COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}  # a build is a folder of its own, and its processes share what is compiled
_LAST_WORDS = 3_000  # characters


class ProofError(Exception):
    """A proof could not be run, or fails without any break: it says nothing about a mutant."""


@dataclass(frozen=True, slots=True)
class Caught:
    """The test or run that noticed and what it decided, and how many seconds it all took; by None: nothing noticed."""

    mutant: Mutant
    by: str | None
    invariants: tuple[Invariant, ...]
    seconds: float
    words: str


@contextmanager
def shared_server() -> Iterator[Mapping[str, str]]:
    """One PostgreSQL for every proof; what to add to their environment."""
    folder = Path(tempfile.mkdtemp(prefix="samtykkebro-mutants-"))
    folder.chmod(0o755)
    try:
        with servers.postgres(folder / "postgres") as postgres:
            made = " ".join(f"{name}={postgres.template(name)}" for name in ("consent", "advis"))
            yield {"DATABASE_URL": postgres.admin_url, servers.TEMPLATES: made}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_unbroken(mutants: Iterable[Mutant], server: Mapping[str, str]) -> Iterator[tuple[str, int, float]]:
    """Run every proof once against an unchanged build, all tests in one call; what, how many and in how many seconds.

    Raises ProofError where one does not pass.
    """
    proofs = list(dict.fromkeys(proof for mutant in mutants for proof in mutant.proofs))
    nodes = tuple(dict.fromkeys(node for proof in proofs for node in proof.nodes))
    runs = [proof for proof in proofs if not proof.nodes]
    wanted = [("tests", len(nodes), Proof(("pytest", *nodes)))] if nodes else []
    wanted += [(str(proof), 1, proof) for proof in runs]
    with _built(()) as folder:
        for name, count, proof in wanted:
            verdict, seconds = _run(proof, folder, server)
            if not verdict.passed:
                raise ProofError(f"{name} fails without any break:\n{verdict.words}")
            yield name, count, seconds


def try_one(mutant: Mutant, server: Mapping[str, str]) -> Caught:
    """Build the mutant and run its proofs until one notices. Raises ProofError, EditError."""
    total, words = 0.0, ""
    with _built(mutant.edits) as folder:
        for proof in mutant.proofs:
            verdict, seconds = _run(proof, folder, server)
            total, words = total + seconds, verdict.words
            if verdict.broken:
                return Caught(mutant, verdict.by, verdict.broken, total, words)
    return Caught(mutant, None, (), total, words)


@contextmanager
def _built(edits: Sequence[Edit]) -> Iterator[Path]:
    above = Path(tempfile.mkdtemp(prefix="samtykkebro-mutant-"))
    above.chmod(0o755)
    try:
        folder = build(above / "build", edits)
        for name in ("pyproject.toml", "openapi", "docs"):
            source = ROOT / name
            shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
        yield folder
    finally:
        shutil.rmtree(above, ignore_errors=True)


def _run(proof: Proof, folder: Path, server: Mapping[str, str]) -> tuple[Verdict, float]:
    """What the proof says, and in how many seconds. Raises ProofError where it says nothing."""
    out = folder.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    begun = time.monotonic()
    try:
        done = subprocess.run(
            _command(proof, out),
            cwd=folder,
            env={**os.environ, **environment(folder), **(server if proof.nodes else {}), **_COMPILED},
            capture_output=True,
            text=True,
            timeout=PROOF_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProofError(f"{proof} did not end within {PROOF_SECONDS_MAX} s") from error
    seconds = time.monotonic() - begun
    words = (done.stdout + done.stderr)[-_LAST_WORDS:]
    if done.returncode not in _RAN:
        raise ProofError(f"{proof} could not be run (exit {done.returncode}):\n{words}")
    verdict = of_tests(out / "tests.xml", proof, words) if proof.nodes else of_faults(out / "report.json", proof, words)
    if verdict.passed and done.returncode:
        raise ProofError(f"{proof} found nothing and failed (exit {done.returncode}):\n{words}")
    return verdict, seconds


def _command(proof: Proof, out: Path) -> list[str]:
    kind, *arguments = proof.command
    if kind == "faults":
        return [sys.executable, "-m", "tests.faults", *arguments, "--keep", str(out)]
    quiet = ("-x", "-q", "--no-header", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS_MAX}")
    return [sys.executable, "-m", "pytest", *quiet, f"--junitxml={out / 'tests.xml'}", *arguments]
