"""What every public shape is."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


Index = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Answer(BaseModel):
    """Frozen, and nothing beyond what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")
