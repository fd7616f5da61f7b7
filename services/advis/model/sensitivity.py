"""How sensitive a category is, and up to which level somebody is told of it (R15).

Four ordered levels, as the national case index (SF1470) has them; access to a level includes those below it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class Sensitivity(StrEnum):
    """The levels, the lowest first."""

    OPEN = "IKKE_FORTROLIGE_DATA"
    CONFIDENTIAL = "FORTROLIGE_PERSONOPLYSNINGER"
    SENSITIVE = "FOELSOMME_PERSONOPLYSNINGER"
    RESTRICTED = "VIP_SAGER"

    def includes(self, other: "Sensitivity") -> bool:
        """Whether access to this level is access to the other one too."""
        levels = list(Sensitivity)
        return levels.index(self) >= levels.index(other)


ORDINARY: Final = Sensitivity.SENSITIVE
"""Who is given no level: an employee whose token has no such claim, a system whose endpoint names none."""


def level_in(claims: Mapping[str, Any]) -> Sensitivity:
    """The highest level that an employee is told of, by the claim `sensitivity` of their access token.

    A claim that is no level gives the lowest one, so that a mistake tells nobody what they may not know.
    """
    if "sensitivity" not in claims:
        return ORDINARY
    try:
        return Sensitivity(claims["sensitivity"])
    except ValueError:
        return Sensitivity.OPEN
