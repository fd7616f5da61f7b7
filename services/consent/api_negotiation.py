"""In which language and which form an answer is wanted (RFC 9110 §12): the query parameter first, then the header."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, Header, Query

from libs.common.problems import NotAcceptableError
from services.consent.domain.catalogue import Language

HEADER_CHARACTERS_MAX = 400
RANGES_MAX = 20

FormT = TypeVar("FormT", bound=str)


async def _spoken(
    language: Annotated[Language | None, Query(description="of labels and words")] = None,
    accept_language: Annotated[str, Header(max_length=HEADER_CHARACTERS_MAX)] = "",
) -> Language:
    if language is not None:
        return language
    for wanted in _ranked(accept_language):
        for offered in ("da", "en"):
            if wanted.partition("-")[0] == offered:
                return offered
    return "da"


Spoken = Annotated[Language, Depends(_spoken)]
Accept = Annotated[str, Header(max_length=HEADER_CHARACTERS_MAX)]
Form = Annotated[Literal["json", "jws", "pdf"] | None, Query(alias="format", description="wins over `Accept`")]


def form_of(wanted: FormT | None, accept: str, offered: Mapping[FormT, str]) -> FormT:
    """The form asked for; else the best that `accept` names, the first offered without it.

    `offered`: form → media type, the first being the usual one. Raises NotAcceptableError when none of them is wanted.
    """
    if wanted is not None:
        if wanted not in offered:
            raise NotAcceptableError
        return wanted
    for media_range in _ranked(accept) or ["*/*"]:
        for form, media_type in offered.items():
            kind = media_type.partition("/")[0]
            if media_range in {media_type, f"{kind}/*", "*/*"}:
                return form
    raise NotAcceptableError


def _ranked(header: str) -> Sequence[str]:
    """What a header prefers, best first, lower case; what it gives no weight is left out."""
    weighted = [_weighed(item) for item in header.split(",")[:RANGES_MAX] if item.strip()]
    return [name for name, weight in sorted(weighted, key=lambda item: -item[1]) if weight > 0]


def _weighed(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    weights = [part[2:] for part in parameters if part.startswith("q=")]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 0.0
