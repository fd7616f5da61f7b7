"""`make test`: everything but the journeys on every core, then the journeys by themselves.

A journey runs the whole system as separate processes and waits for what its users would wait for: tests beside it
would slow that down. Arguments are pytest's and go to both runs.
"""

import subprocess
import sys

import pytest

CORES_MAX = "4"  # each core's run has a PostgreSQL of its own, and a Kafka where a test asks for one
RUNS = (
    ("-m", "not journey", "--numprocesses", "logical", "--maxprocesses", CORES_MAX, "--dist", "loadfile"),
    ("-m", "journey"),
)


def main(arguments: list[str]) -> int:
    """Both runs' exit code: the first that is a failure. A run that none of the chosen tests belongs to is none."""
    codes = [subprocess.run([sys.executable, "-m", "pytest", *run, *arguments], check=False).returncode for run in RUNS]
    ran = [code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED]
    return next((code for code in ran if code), 0 if ran else int(pytest.ExitCode.NO_TESTS_COLLECTED))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
