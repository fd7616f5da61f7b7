"""How far a disclosure came."""

from enum import StrEnum


class Reach(StrEnum):
    """How far the bytes of an attempt came; the words are those that settle its permit."""

    DISCLOSED = "disclosed"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
