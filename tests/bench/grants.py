"""Granting and withdrawing: what an act of a citizen's costs, against the same SQL alone and against each other."""

import itertools
from uuid import uuid4

from services.consent.grants.commands import Grant, grant_consent
from services.consent.grants.grant import Ask
from services.consent.http.audit import Actor
from services.consent.model.acting import Giver, Role
from tests.bench.load import Sample, closed_loop
from tests.bench.replay import Statement, recorded, script
from tests.bench.world import CITIZENS, JSON, World, new_key, role_token

PURPOSE, HOLDER, RECIPIENT, CATEGORIES = "KOORDINERING", "BIF-JOBINDSATS", "SOF-BCV", ("FREMMOEDE",)


WARM = 8


class Grants:
    """Grants one after another, each by the next citizen; the consents that they made can be withdrawn."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.turn = itertools.count()
        self.given: dict[int, str] = {}  # what is in force, by citizen, oldest first
        self._text = ""

    async def text(self) -> str:
        """The hash of the text in force."""
        if not self._text:
            _, catalogue = await self.world.call("GET", "/v1/catalogue", role_token("source_system"))
            shown = next(item["text"] for item in catalogue["purposes"] if item["code"] == PURPOSE)
            text = next(item for item in catalogue["texts"] if item["code"] == shown)
            self._text = text["languages"]["da"]["sha256"]
        return self._text

    async def body(self) -> JSON:
        """One consent, as a page would send it."""
        return {
            "purpose": PURPOSE,
            "holder_unit": HOLDER,
            "recipient_unit": RECIPIENT,
            "categories": list(CATEGORIES),
            "language": "da",
            "text_sha256": await self.text(),
        }

    async def grant(self) -> int:
        """The next citizen's consent."""
        n = next(self.turn) % CITIZENS
        path = f"/v1/citizens/{self.world.citizen(n)}/consents"
        status, answer = await self.world.call(
            "POST", path, self.world.token(n), await self.body(), idempotency_key=new_key()
        )
        if status != 201:
            raise RuntimeError(f"grant: {status} {answer}")
        self.given.pop(n, None)
        self.given[n] = answer["consent"]["consent_id"]
        return 1

    async def withdraw(self) -> int:
        """The oldest consent that is in force; one is given first where none is."""
        if not self.given:
            await self.grant()
        n = next(iter(self.given))
        consent_id = self.given.pop(n)
        path = f"/v1/citizens/{self.world.citizen(n)}/consents/{consent_id}:withdraw"
        status, answer = await self.world.call("POST", path, self.world.token(n), idempotency_key=new_key())
        if status != 200:
            raise RuntimeError(f"withdraw {n} {consent_id}: {status} {answer}")
        return 1

    async def statements(self) -> list[Statement]:
        """The statements of one grant, without BEGIN and COMMIT, as the handler sends them."""
        n = next(self.turn) % CITIZENS
        self.given.pop(n, None)  # replaced by the one that is recorded here
        borger_id = self.world.citizen(n)
        giver = Giver(borger_id, "Substantial", Role.SELF)
        ask = Ask(
            borger_id=borger_id,
            purpose=PURPOSE,
            holder_unit=HOLDER,
            recipient_unit=RECIPIENT,
            categories=frozenset(CATEGORIES),
            language="da",
            text_version=None,
            text_sha256=await self.text(),
            valid_until=None,
            affirmed_special=frozenset(),
        )
        grant = Grant(
            ask=ask,
            giver=giver,
            actor=Actor("citizen", "citizen", giver=borger_id),
            key=new_key(),
            request_sha256="0" * 64,
            new_id=uuid4,
            shape=lambda consent, receipt: {"consent_id": str(consent.consent_id), "receipt": receipt},
        )
        async with self.world.database.write() as session:
            return await recorded(session, lambda: grant_consent(session, self.world.signer, grant))

    async def sql(self) -> str:
        """The same transaction for pgbench: of a citizen drawn at random, so that each is a first grant."""
        for _ in range(WARM):  # a session's first acts ask for what it then knows: types, the catalogue
            statements = await self.statements()
        return script(statements, known={})


async def withdrawal_against_grant(grants: Grants, *, callers: int, seconds: float) -> tuple[Sample, Sample]:
    """The same number of both, one after the other."""
    granted = await closed_loop(grants.grant, callers=callers, seconds=seconds)
    while len(grants.given) < granted.units:
        await grants.grant()
    withdrawn = await closed_loop(grants.withdraw, callers=callers, seconds=min(seconds, 0.6 * seconds))
    return granted, withdrawn
