"""Lays a document out as a PDF to keep, that a screen reader can read: PDF/UA-1, and PDF/A-3a for the files in it.

The layout engine runs in a thread, a few at a time; nobody holds a transaction while it does. System fonts are not
used, so the same document is the same file on every machine.
"""

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typst

from libs.common.http.problems import UnavailableError
from services.consent.model.document import PAGE, Document, Section

if TYPE_CHECKING:
    from typst import PDFStandard  # only its stubs have it

MEDIA_TYPE = "application/pdf"
RENDERERS_MAX = 2
WAIT_SECONDS = 20.0  # for a turn; a page takes about 40 ms, a long history a second or two
_TEMPLATES = Path(str(files("services.consent") / "templates"))
_STANDARDS: "list[PDFStandard]" = ["a-3a", "ua-1"]


class Renderer:
    """Renders at most RENDERERS_MAX documents at once; the others wait for their turn.

    A turn ends with the thread that lays out, not with the caller: a request that is cancelled frees none.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(RENDERERS_MAX)

    async def pdf(self, document: Document) -> bytes:
        """The PDF. Raises UnavailableError when no turn comes in WAIT_SECONDS."""
        try:
            await asyncio.wait_for(self._turn.acquire(), WAIT_SECONDS)
        except TimeoutError:
            raise UnavailableError(retry_after_s=5) from None
        layout = asyncio.ensure_future(asyncio.to_thread(rendered, document))
        layout.add_done_callback(self._ended)
        return await asyncio.shield(layout)

    def _ended(self, layout: "asyncio.Future[bytes]") -> None:
        self._turn.release()
        if not layout.cancelled():
            layout.exception()  # seen: the caller may be gone


def rendered(document: Document) -> bytes:
    """The PDF of a document; the same bytes for the same document."""
    made = typst.compile(
        _TEMPLATES / "document.typ",
        root=_TEMPLATES,
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"document": orjson.dumps(_data(document)).decode()},
        pdf_standards=_STANDARDS,
        timestamp=document.at.replace(microsecond=0),
    )
    assert isinstance(made, bytes)
    return made


def _data(document: Document) -> dict[str, Any]:
    return {
        "language": document.language,
        "title": document.title,
        "lead": document.lead,
        "author": document.author,
        "footer": PAGE.get(document.language),
        "sections": [_section(item, document.language) for item in document.sections],
        "files": [
            {
                "name": file.name,
                "content": file.content,
                "media_type": file.media_type,
                "description": file.description,
            }
            for file in document.files
        ],
    }


def _section(section: Section, language: str) -> dict[str, Any]:
    return {
        "level": section.level,
        "language": section.language or language,
        "heading": section.heading,
        "paragraphs": section.paragraphs,
        "facts": section.facts,
        "columns": section.columns,
        "rows": section.rows,
    }
