"""In which language and which form an answer is wanted (RFC 9110 §12): the query parameter first, then the header."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, Header, Query

from libs.common.http.headers import best, preferences
from libs.common.http.problems import NotAcceptableError
from services.consent.model.bilingual import Language

HEADER_CHARACTERS_MAX = 400

FormT = TypeVar("FormT", bound=str)


async def _spoken(
    language: Annotated[Language | None, Query(description="of labels and words")] = None,
    accept_language: Annotated[str, Header(max_length=HEADER_CHARACTERS_MAX)] = "",
) -> Language:
    if language is not None:
        return language
    for wanted, weight in sorted(preferences(accept_language), key=lambda item: -item[1]):
        for offered in ("da", "en"):
            if weight > 0 and wanted.partition("-")[0] == offered:
                return offered
    return "da"


Spoken = Annotated[Language, Depends(_spoken)]
Accept = Annotated[str, Header(max_length=HEADER_CHARACTERS_MAX)]
Form = Annotated[Literal["json", "jws", "pdf"] | None, Query(alias="format", description="wins over `Accept`")]


def form_of(wanted: FormT | None, accept: str, offered: Mapping[FormT, str]) -> FormT:
    """The form asked for; else the one that `accept` prefers, the first offered without it.

    `offered`: form → media type, the first being the usual one. Raises NotAcceptableError when none of them is wanted.
    """
    if wanted is not None:
        if wanted not in offered:
            raise NotAcceptableError
        return wanted
    chosen = best(list(offered.values()), accept)
    if chosen is None:
        raise NotAcceptableError
    return next(form for form, media_type in offered.items() if media_type == chosen)
