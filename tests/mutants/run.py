"""Runs proofs against test builds: first against an unchanged one, where each must pass, then against each mutant."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.builds import ROOT, Edit, build, environment
from tests.mutants.mutant import Mutant, Proof

PROOF_SECONDS_MAX = 420
_TESTS_FAILED = 1  # pytest's and the fault run's own code for "it ran, and found a violation"
_LAST_WORDS = 1_500  # characters


class ProofError(Exception):
    """A proof could not be run, or fails without any break: it says nothing about a mutant."""


@dataclass(frozen=True, slots=True)
class Caught:
    """The proof that noticed, and how many seconds it took from its start; None when none did."""

    mutant: Mutant
    by: Proof | None
    seconds: float
    words: str


def check_unbroken(mutants: Iterable[Mutant]) -> Iterator[tuple[Proof, float]]:
    """Run every proof once against an unchanged build. Raises ProofError for one that does not pass."""
    proofs = dict.fromkeys(proof for mutant in mutants for proof in mutant.proofs)
    with _built(()) as folder:
        for proof in proofs:
            failed, seconds, words = _run(proof, folder)
            if failed:
                raise ProofError(f"{proof} fails without any break:\n{words}")
            yield proof, seconds


def try_one(mutant: Mutant) -> Caught:
    """Build the mutant and run its proofs until one notices. Raises ProofError, EditError."""
    total, words = 0.0, ""
    with _built(mutant.edits) as folder:
        for proof in mutant.proofs:
            failed, seconds, words = _run(proof, folder)
            total += seconds
            if failed:
                return Caught(mutant, proof, total, words)
    return Caught(mutant, None, total, words)


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


def _run(proof: Proof, folder: Path) -> tuple[bool, float, str]:
    """Whether it failed as a proof does, in how many seconds, and its last words."""
    kind, *arguments = proof.command
    quiet = ("-x", "-q", "--no-header", "-p", "no:cacheprovider", "--durations=0")
    command = (
        [sys.executable, "-m", "pytest", *quiet, *arguments]
        if kind == "pytest"
        else [sys.executable, "-m", "tests.faults", *arguments]
    )
    begun = time.monotonic()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment(folder)},
        capture_output=True,
        text=True,
        timeout=PROOF_SECONDS_MAX,
        check=False,
    )
    words = (done.stdout + done.stderr)[-_LAST_WORDS:]
    if done.returncode not in {0, _TESTS_FAILED} or " error" in done.stdout.rpartition("\n=")[2]:
        raise ProofError(f"{proof} could not be run (exit {done.returncode}):\n{words}")
    return done.returncode == _TESTS_FAILED, time.monotonic() - begun, words
