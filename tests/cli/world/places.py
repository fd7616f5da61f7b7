"""Folders for servers under test: short enough for a socket, and open to the user that a server runs as under root."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server_folder() -> Iterator[Path]:
    """A new folder directly under the temp folder, walkable by others, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sb-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
