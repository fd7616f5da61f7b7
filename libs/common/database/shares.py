"""Which of a group's numbered slots this member owns: partitions of the embedded bus, lanes of an outbox."""

import zlib

import asyncpg


class Shares:
    """Splits numbered slots fairly among the living members of a group, by session advisory locks.

    A member is a session; when it ends, the server frees its slots and the others take them. Ownership is a
    convenience, never a safety argument: whoever acts on a slot is fenced by a compare-and-set in its own tables.
    """

    _MEMBER = 2**31 - 1  # the lock that every member shares, so that members can be counted

    def __init__(self, session: asyncpg.Connection, name: str, slots: int) -> None:
        self._session = session
        self._class = zlib.crc32(name.encode()) & 0x7FFFFFFF
        self._slots = slots
        self._joined = False
        self.owned: frozenset[int] = frozenset()

    async def balance(self) -> None:
        """Give up what is beyond a fair share, take what is free up to it. Call between pieces of work."""
        if not self._joined:
            await self._session.execute("SELECT pg_advisory_lock_shared($1, $2)", self._class, self._MEMBER)
            self._joined = True
        rows = await self._session.fetch(
            "SELECT objid::bigint AS slot, pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = $1::bigint::oid AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            self._class,
        )
        members = {row["pid"] for row in rows if row["slot"] == self._MEMBER}
        share = -(-self._slots // max(1, len(members)))
        taken = {row["slot"] for row in rows}
        surplus = sorted(self.owned)[share:]
        wanted = [slot for slot in range(self._slots) if slot not in taken][: max(0, share - len(self.owned))]
        if surplus:
            await self._session.execute(
                "SELECT pg_advisory_unlock($1, s) FROM unnest($2::int[]) s", self._class, surplus
            )
        take = "SELECT s FROM unnest($2::int[]) s WHERE pg_try_advisory_lock($1, s)"
        gained = await self._session.fetch(take, self._class, wanted) if wanted else []
        self.owned = self.owned.difference(surplus).union(row["s"] for row in gained)
