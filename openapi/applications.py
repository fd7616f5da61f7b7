"""Each service's HTTP door with nothing behind it: enough to describe, not to serve."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from libs.common.service.app import create_app
from services.advis import app as advis
from services.audit import app as audit
from services.consent import app as consent


def applications() -> dict[str, FastAPI]:
    """Service name → application, with the routes that the service itself is composed of."""
    return {
        name: create_app(title=f"Samtykkebro {name}", service=name, lifespan=_nothing, routers=door.ROUTERS)
        for name, door in (("consent", consent), ("advis", advis), ("audit", audit))
    }


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield
