"""Opinions over HTTP, one by one and in batches of a hundred; beside the bare row that they rest on."""

import itertools

from tests.bench.grants import HOLDER, PURPOSE, RECIPIENT
from tests.bench.permits import BLOCK, BLOCKS
from tests.bench.world import JSON, World, role_token

CATEGORY = "FREMMOEDE"
# What a decision needs at the very least, by the index that it is found with.
ROW = f"""\\set n random(1, {BLOCK * BLOCKS})
SELECT status, valid_until, ceiling_until FROM consent
 WHERE borger_id = ('00000000-0000-4000-8000-' || lpad(to_hex(:n::bigint), 12, '0'))::uuid AND purpose = '{PURPOSE}'
   AND holder_unit = '{HOLDER}' AND recipient_unit = '{RECIPIENT}' AND status = 'active';
"""


class Decisions:
    """A gateway that asks about citizens who have consented."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.token = role_token("gateway", subject="gateway", client_id="gateway")
        self.turn = itertools.count()

    def _resource(self, n: int) -> JSON:
        return {"type": "information", "id": f"{self.world.citizen(n)}/{HOLDER}/{CATEGORY}"}

    def _question(self) -> JSON:
        return {
            "subject": {"type": "unit", "id": RECIPIENT},
            "action": {"name": "receive", "properties": {"purpose": PURPOSE}},
        }

    async def one(self) -> int:
        """One question."""
        body = {**self._question(), "resource": self._resource(next(self.turn) % (BLOCK * BLOCKS))}
        status, answer = await self.world.call("POST", "/access/v1/evaluation", self.token, body)
        if status != 200 or answer["decision"] is not True:
            raise RuntimeError(f"evaluation: {status} {answer}")
        return 1

    async def hundred(self) -> int:
        """A hundred questions in one call."""
        start = next(self.turn) * BLOCK
        asked = [{"resource": self._resource((start + n) % (BLOCK * BLOCKS))} for n in range(BLOCK)]
        body = {**self._question(), "evaluations": asked}
        status, answer = await self.world.call("POST", "/access/v1/evaluations", self.token, body)
        if status != 200 or not all(item["decision"] for item in answer["evaluations"]):
            raise RuntimeError(f"evaluations: {status}")
        return BLOCK
