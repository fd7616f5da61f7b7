"""What the administrator of a Kafka cluster says about its principals: their passwords (SCRAM) and rights (ACLs).

The cluster refuses what no ACL allows (`allow.everyone.if.no.acl.found=false`). READ and WRITE on a topic include
DESCRIBE, and WRITE on any topic includes the idempotent producer (KIP-679), so nothing else is given.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest_v1
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from libs.common.bus.kafka import MECHANISM, administering, client_options
from libs.common.bus.port import BusUnavailableError, Grant

SIGN_IN_DEADLINE_S, SIGN_IN_POLL_S = 10.0, 0.1
_SCRAM_SHA_512, _ITERATIONS, _SALT_BYTES = 2, 4096, 32
_TOPIC, _GROUP, _LITERAL, _READ, _WRITE, _ALLOW = 2, 3, 3, 3, 4, 3  # the protocol's own codes


class _ScramResponse(Response):  # type: ignore[misc]  # aiokafka carries no types
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _ScramRequestV0(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _ScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields))),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUserScramCredentials(Request[_ScramRequestV0]):  # type: ignore[misc]  # as above
    """KIP-554; aiokafka has no call for it."""

    API_KEY = 51

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._upsertions = [_credential(name, password) for name, password in sorted(passwords.items())]

    def build(self, request_struct_class: type[_ScramRequestV0]) -> _ScramRequestV0:
        return request_struct_class([], self._upsertions, {})


class _CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]  # as above
    """Many at once; aiokafka's own builder takes one."""

    API_KEY = 30

    def __init__(self, creations: list[tuple[Any, ...]]) -> None:
        self._creations = creations

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(self._creations)


def _credential(name: str, password: str) -> tuple[Any, ...]:
    salt = os.urandom(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return name, _SCRAM_SHA_512, _ITERATIONS, salt, salted, {}


async def set_passwords(bus_url: str, passwords: Mapping[str, str]) -> None:
    """Give each principal this password; returns when the broker signs them in. Raises BusUnavailableError."""
    options = client_options(bus_url)
    async with administering(options) as admin:
        answer = await admin._send_request(_AlterUserScramCredentials(passwords))  # noqa: SLF001 - no public call
        for user, code, *_ in answer.results:
            if code:
                raise BusUnavailableError(f"password of {user}: {for_code(code).__name__}")
        await _await_sign_in(options, *max(passwords.items()))


async def _await_sign_in(options: Mapping[str, Any], principal: str, password: str) -> None:
    """A broker applies what its controller has accepted a moment later, in order: `principal` is the last.

    Raises TimeoutError.
    """
    signing_in = {"sasl_mechanism": MECHANISM, "sasl_plain_username": principal, "sasl_plain_password": password}
    async with asyncio.timeout(SIGN_IN_DEADLINE_S):
        while True:
            client = AIOKafkaAdminClient(**{**options, **signing_in})
            try:
                await client.start()
            except KafkaError:
                await asyncio.sleep(SIGN_IN_POLL_S)
            else:
                return
            finally:
                await client.close()


async def set_rights(bus_url: str, grants: Iterable[Grant]) -> None:
    """Add the ACLs that these grants need. Raises BusUnavailableError."""
    rules = [rule for grant in grants for rule in acls(grant)]
    creations = [(kind, name, _LITERAL, f"User:{who}", "*", verb, _ALLOW) for who, verb, kind, name in rules]
    async with administering(client_options(bus_url)) as admin:
        answer = await admin._send_request(_CreateAcls(creations))  # noqa: SLF001 - no public call
    for (who, _, _, name), (code, *_) in zip(rules, answer.creation_responses, strict=True):
        if code:
            raise BusUnavailableError(f"right of {who} to {name}: {for_code(code).__name__}")


def acls(grant: Grant) -> list[tuple[str, int, int, str]]:
    """(principal, operation, resource type, resource) for each right."""
    found = [(_WRITE, _TOPIC, topic) for topic in sorted(grant.writes)]
    found += [(_READ, _TOPIC, topic) for topic in sorted(grant.reads)]
    found += [(_READ, _GROUP, group) for group in sorted(grant.groups)]
    return [(grant.principal, *rule) for rule in found]
