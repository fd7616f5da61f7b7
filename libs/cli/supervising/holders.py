"""What a supervisor and an operator say to consent about permit holders (docs/fence.md)."""

from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError

from libs.common.http.client import ServiceClient, UnreachableError
from libs.common.wire.permits import DeathProof, FenceOrders, HolderDead, HolderRegistered, HolderRegistration

Model = TypeVar("Model", HolderRegistered, FenceOrders)


@dataclass(frozen=True, slots=True)
class HolderCalls:
    """Every call raises UnreachableError (whether it took effect is unknown) and RefusedError (it did not)."""

    client: ServiceClient

    async def register(self, holder_id: UUID, slot: str) -> str:
        """This incarnation is about to be started. Returns its credential."""
        answer = await self.client.post("/v1/holders", HolderRegistration(holder_id=holder_id, slot=slot))
        return _read(HolderRegistered, answer).token

    async def orders(self, slot: str) -> frozenset[UUID]:
        """The incarnations of the slot that must be killed."""
        answer = await self.client.get(f"/v1/holders/{slot}/orders")
        return frozenset(_read(FenceOrders, answer).holder_ids)

    async def confirm_dead(self, holder_id: UUID, proof: DeathProof) -> None:
        """This incarnation is dead; saying it again changes nothing."""
        await self.client.post(f"/v1/holders/{holder_id}:dead", HolderDead(proof=proof), idempotent=True)

    async def living(self) -> list[dict[str, Any]]:
        """For an operator: every holder not confirmed dead, with its slot and its open permits."""
        answer = await self.client.get("/v1/holders")
        if not isinstance(answer, dict) or not isinstance(answer.get("holders"), list):
            raise UnreachableError("the answer is not a list of holders")
        return list(answer["holders"])


def _read(model: type[Model], answer: Any) -> Model:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        raise UnreachableError("the answer is not understood") from error
