"""Header fields in their own grammar: media types and preferences (RFC 9110 §8.3, §12), structured fields (RFC 8941).

1. A field that may occur once and occurs twice has no one meaning and is refused; one that is a list is joined
   (RFC 9110 §5.3).
2. Nothing here quotes what was sent.
"""

import re
from collections import Counter
from collections.abc import Sequence
from email.message import Message

import http_sf

LISTS = frozenset({b"accept", b"accept-language", b"if-match", b"prefer"})
SINGLE = frozenset(
    {b"authorization", b"content-encoding", b"content-length", b"content-type", b"idempotency-key", b"acting-unit"}
)
RANGES_MAX = 20  # of one preference; what comes after is ignored

_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_OUTSIDE_QUOTES = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
_ANOTHER_PATH = re.compile(rb"%(?:2f|[01][0-9a-f]|7f)", re.IGNORECASE)

RawHeaders = Sequence[tuple[bytes, bytes]]


def joined(headers: RawHeaders) -> tuple[list[tuple[bytes, bytes]], str | None]:
    """The headers with the lines of each list field joined, and the first single field that occurs twice, or None."""
    counts = Counter(name for name, _ in headers)
    repeated = {name for name, count in counts.items() if count > 1}
    twice = next((name.decode() for name in sorted(repeated & SINGLE)), None)
    lists = {name: b", ".join(value for key, value in headers if key == name) for name in repeated & LISTS}
    others = [(name, value) for name, value in headers if name not in lists]
    return [*others, *lists.items()], twice


def is_another_path(raw: bytes) -> bool:
    """Whether a path holds a coded slash (RFC 3986 §2.2) or control character: two readers may take it for two."""
    return _ANOTHER_PATH.search(raw) is not None


def is_media_type(value: str, *accepted: str) -> bool:
    """Whether `value` names one of the `accepted` types, in UTF-8 where it says in which characters."""
    message = Message()
    message["content-type"] = value
    parameters = message.get_params(failobj=[], header="content-type")[1:]
    charsets = {str(text).lower() for name, text in parameters if name.lower() == "charset"}
    return message.get_content_type() in accepted and charsets <= {"utf-8", "us-ascii"}


def preferences(header: str) -> list[tuple[str, float]]:
    """The ranges of an `Accept…` header, in lower case, with their weights; a malformed weight drops its range."""
    found = []
    for item in _OUTSIDE_QUOTES.split(header)[:RANGES_MAX]:
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        if name and _WEIGHT.fullmatch(weight):
            found.append((name, float(weight)))
    return found


def best(offered: Sequence[str], accept: str) -> str | None:
    """Which of the `offered` media types `accept` prefers, the first of equals; None when it wants none of them.

    The most specific range that matches a type gives it its weight (RFC 9110 §12.5.1). No header: the first.
    """
    ranges = preferences(accept if accept.strip() else "*/*")

    def weight(media: str) -> float:
        for matching in (media, media.partition("/")[0] + "/*", "*/*"):
            weights = [given for name, given in ranges if name == matching]
            if weights:
                return max(weights)
        return 0.0

    chosen = max(offered, key=weight)
    return chosen if weight(chosen) > 0 else None


def string_or_token(value: str) -> str:
    """The text of a structured String or Token, its parameters ignored; any other value as it came (RFC 8941 §3.3)."""
    try:
        item = http_sf.parse(value.encode(), tltype="item")
    except ValueError:
        return value
    bare = item[0] if isinstance(item, tuple) else None
    return str(bare) if isinstance(bare, str | http_sf.Token) else value
