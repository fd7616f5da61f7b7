"""From an act to the exact bytes of a leaf, and the openings that go with it.

A leaf does not depend on where it will stand in the tree, so all of this happens outside the transaction; losing the
race for the head costs a rehash of the right edge and nothing else.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from libs.common.wire.messages import seconds
from services.audit.keys.vault import Opened, PersonKey, Sealed, seal
from services.audit.leaves.canonical import canonical
from services.audit.leaves.entry import (
    LEAF_BYTES_MAX,
    LEAF_ID_BYTES,
    SALT_BYTES,
    Act,
    Gap,
    Header,
    Numbered,
    Person,
    Place,
    commitment,
    holders_of,
    leaf_document,
)
from services.audit.model.errors import EntryError
from services.audit.tree.tree import leaf_hash


class Leaf(NamedTuple):
    """A leaf without its index, its searchable columns, and its sealed openings."""

    body: bytes
    leaf_hash: bytes
    type: str
    occurred_at: str
    producer: str
    numbered: Numbered | None
    openings: tuple[Sealed, ...] = ()


def persons_of(act: Act) -> set[Person]:
    """Whose keys the openings of `act` need."""
    return set(holders_of(act.private)) if act.private else set()


@dataclass(frozen=True, slots=True)
class LeafMaker:
    """Makes the leaves of one log for one public body."""

    log: str
    tenant: str

    def make(
        self,
        act: Act,
        *,
        recorded_at: str,
        keys: Mapping[Person, PersonKey],
        numbered: Numbered | None = None,
        place: Place | None = None,
    ) -> Leaf:
        """The leaf of `act`, `recorded_at` in the form it has in a leaf.

        Raises KeyError without a person's key, EntryError or ProfileError for an act that cannot be written.
        """
        random = os.urandom(LEAF_ID_BYTES + SALT_BYTES * len(act.private))
        leaf_id = random[:LEAF_ID_BYTES]
        commitments: dict[str, str] = {}
        secrets: Opened = {}
        for at, (name, value) in enumerate(act.private.items()):
            start = LEAF_ID_BYTES + SALT_BYTES * at
            salt = random[start : start + SALT_BYTES]
            commitments[name] = commitment(salt, leaf_id, name, canonical(value))
            secrets[name] = (salt, value)
        header = Header(self.log, self.tenant, leaf_id, recorded_at)
        document = leaf_document(act, header, numbered=numbered, place=place, commitments=commitments)
        body = canonical(document)
        if len(body) > LEAF_BYTES_MAX:
            raise EntryError("leaf_too_large")
        openings = self._sealed(act, secrets, keys, leaf_id) if secrets else ()
        return Leaf(body, leaf_hash(body), act.type, act.occurred_at, document["producer"], numbered, openings)

    def _sealed(
        self, act: Act, secrets: Opened, keys: Mapping[Person, PersonKey], leaf_id: bytes
    ) -> tuple[Sealed, ...]:
        """One opening, or two where the actor is a person of their own."""
        of_actor, of_rest = holders_of(act.private)
        if of_actor == of_rest:
            return (seal(keys[of_rest], secrets, log=self.log, leaf_id=leaf_id),)
        return (
            seal(keys[of_actor], {"actor": secrets.pop("actor")}, log=self.log, leaf_id=leaf_id),
            seal(keys[of_rest], secrets, log=self.log, leaf_id=leaf_id),
        )

    def gaps(self, kind: str, gaps: Sequence[Gap], now: datetime) -> list[Leaf]:
        """The leaves `gap.opened` or `gap.closed` (`kind`) for `gaps`: about nobody, so without openings."""
        return [
            self.make(
                Act(
                    type=kind,
                    action="C",
                    outcome="failure" if kind == "gap.opened" else "success",
                    occurred_at=seconds(now),
                    actor_role="service",
                    gap=gap,
                ),
                recorded_at=seconds(now),
                keys={},
            )
            for gap in gaps
        ]
