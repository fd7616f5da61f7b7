"""The exact bytes of what is hashed: RFC 8785 inside the profile of `entry.py`, where orjson writes the same.

Outside it the two differ (floats, integers beyond 2^53, members outside the basic plane), so the profile is enforced
on every value and not only on what looks risky. A property test compares with an independent implementation.
"""

from typing import Any

import orjson

from services.audit.leaves.entry import require_profile


def canonical(value: Any) -> bytes:
    """The canonical JSON of `value`. Raises ProfileError outside the profile."""
    require_profile(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
