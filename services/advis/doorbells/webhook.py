"""The doorbell on the wire: a body that says nothing, signed as Standard Webhooks 1.0 asks (scheme v1).

The body is the same for every attempt of one doorbell, byte by byte, and has the same length and shape for every
doorbell there is: a random id, one constant type, a time. It names no unit, no case and no citizen (P2, P10).
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

TYPE = "advis.available"
SECRET_PREFIX = "whsec_"  # noqa: S105 - the public marker of the format, not a secret
SECRET_BYTES = range(24, 65)  # Standard Webhooks: 24 to 64 bytes


def key_of(secret: str) -> bytes:
    """The signing key behind `whsec_<base64>`. Raises ValueError for anything that is not a secret of that form."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError("a webhook secret begins with whsec_")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is base64 after its prefix") from None
    if len(key) not in SECRET_BYTES:
        raise ValueError("a webhook secret has 24 to 64 bytes")
    return key


def body(doorbell_id: UUID, first_rung_at: datetime) -> bytes:
    """The constant body. `first_rung_at` is the time of the first attempt, so that every retry has the same bytes."""
    content = {"id": str(doorbell_id), "type": TYPE, "timestamp": _second(first_rung_at)}
    return json.dumps(content, separators=(",", ":")).encode()


def headers(doorbell_id: UUID, sent_at: datetime, content: bytes, key: bytes) -> Mapping[str, str]:
    """The three headers of one attempt: the id is the doorbell's for ever, the time is this attempt's."""
    timestamp = str(int(sent_at.timestamp()))
    signed = b".".join((str(doorbell_id).encode(), timestamp.encode(), content))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": str(doorbell_id),
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
