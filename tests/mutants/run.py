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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests import servers
from tests.builds import ROOT, Edit, build, environment
from tests.mutants.mutant import Invariant, Mutant, Proof
from tests.mutants.verdict import Verdict, of_faults, of_tests

PROOF_SECONDS_MAX = 600
NODE_SECONDS = 30  # where many are run in one call
TEST_SECONDS_MAX = 240  # a busy machine must not be taken for a broken rule
_RAN = {0, 1}  # pytest's and the fault run's own codes for "it ran", and "it ran, and found a violation"
_COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}  # a build is a folder of its own, and its processes share what is compiled
_LAST_WORDS = 3_000  # characters


class ProofError(Exception):
    """A proof could not be run, or fails without any break: it says nothing about a mutant."""


@dataclass(frozen=True, slots=True)
class Caught:
    """The test or run that noticed and what it decided, and how many seconds it all took; by None: nothing noticed.

    `undecided`: nothing could: its proofs do not pass without a break, or cannot be run.
    """

    mutant: Mutant
    by: str | None
    invariants: tuple[Invariant, ...]
    seconds: float
    words: str
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What was run without a break, in `seconds`. `words`: why these proofs are not sound, or nothing."""

    proofs: tuple[Proof, ...]
    seconds: float
    words: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether all of them passed."""
        return not self.words


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


def check_unbroken(mutants: Iterable[Mutant], server: Mapping[str, str]) -> Iterator[Checked]:
    """Run every proof once against an unchanged build, all tests in one call; those that fail there once more, alone.

    A busy machine fails a test now and then; one that fails twice says nothing about a mutant, and the others go on.
    """
    proofs = list(dict.fromkeys(proof for mutant in mutants for proof in mutant.proofs))
    together = Proof(("pytest", *dict.fromkeys(node for proof in proofs for node in proof.nodes)))
    passed: list[Proof] = []
    with _built(()) as folder:
        if together.nodes:
            begun = time.monotonic()
            with suppress(ProofError):
                verdict, _ = _run(together, folder, server)
                passed = [proof for proof in proofs if proof.nodes and not _concerns(verdict, proof)]
            yield Checked(tuple(passed), time.monotonic() - begun)
        for proof in proofs:
            if proof not in passed:
                yield _checked(proof, folder, server)


def _concerns(verdict: Verdict, proof: Proof) -> bool:
    """Whether one of the proof's tests did not pass, or nobody knows."""
    return not verdict.passed and (not verdict.wrong or any(n.partition("[")[0] in verdict.wrong for n in proof.nodes))


def _checked(proof: Proof, folder: Path, server: Mapping[str, str]) -> Checked:
    begun = time.monotonic()
    try:
        verdict, seconds = _run(proof, folder, server)
    except ProofError as error:
        return Checked((proof,), time.monotonic() - begun, str(error))
    return Checked((proof,), seconds, "" if verdict.passed else verdict.words or "it does not pass")


def try_one(mutant: Mutant, server: Mapping[str, str], proofs: Iterable[Proof]) -> Caught:
    """Build the mutant and run those of its proofs until one notices. Raises ProofError, EditError."""
    total, words = 0.0, ""
    with _built(mutant.edits) as folder:
        for proof in proofs:
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
    seconds_max = max(PROOF_SECONDS_MAX, NODE_SECONDS * len(proof.nodes))
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
            timeout=seconds_max,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProofError(f"{proof} did not end within {seconds_max} s") from error
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
    first = ("-x",) if proof.decides else ()  # what decides nothing by itself is to name every test that fails
    quiet = (*first, "-q", "--no-header", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS_MAX}")
    return [sys.executable, "-m", "pytest", *quiet, f"--junitxml={out / 'tests.xml'}", *arguments]
