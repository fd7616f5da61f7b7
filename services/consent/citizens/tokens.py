"""The claims of the citizen's own token for another service (RFC 9068): the pseudonym, never the CPR number."""

import time
from typing import Any
from uuid import UUID, uuid4


def claims_for(borger_id: UUID, *, client_id: str, audience: str, assurance: str, seconds: int) -> dict[str, Any]:
    """Claims for a token that holds for `seconds` from now; the signer adds the issuer."""
    now = int(time.time())
    return {
        "sub": str(borger_id),
        "client_id": client_id,
        "aud": audience,
        "roles": ["citizen"],
        "acr": assurance,
        "iat": now,
        "exp": now + seconds,
        "jti": str(uuid4()),
    }
