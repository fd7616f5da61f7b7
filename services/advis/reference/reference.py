"""Reference data that advis reads: event types, default subscriptions, labels, and where doorbells hang (R35).

Consent decides with the whole catalogue and its validity; advis only needs to know what exists and what it is called,
so the newest version of each entry is enough: the label of something that has ended is still its label.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from libs.common.running.settings import nearest
from libs.common.wire.identifiers import Identity
from libs.common.wire.messages import Code
from libs.common.wire.values import Day, EndDay, read_yaml
from services.advis.model.sensitivity import ORDINARY, Sensitivity
from services.advis.notifications.notification import Notification
from services.advis.reference.subscription import Subscription

Language = Literal["da", "en"]


class ReferenceDataError(Exception):
    """A file cannot be read as what it must be. The text names the file and the field."""


class _Form(BaseModel):
    """An entry of a file that consent reads too, and refuses where a field is unknown: advis reads what it needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _OwnForm(BaseModel):
    """An entry of a file that advis alone reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(_OwnForm):
    """The same words in Danish and English (R42)."""

    da: str
    en: str


class Entry(_Form):
    """What every entry of reference data has."""

    code: str
    version: int
    label: Label


class Unit(Entry):
    """A unit and how a colleague reaches it; never a person's own address."""

    contact: str | None = None


class Category(Entry):
    """A kind of information, and from which level on somebody is told of it."""

    sensitivity: Sensitivity


class Reveal(_Form):
    """What an event tells about which role."""

    role: Literal["citizen", "child", "parent"]
    category: str


class EventType(Entry):
    """A case event. `reveals` is empty for those that are never disclosed."""

    direction: str
    category: str | None = None
    purposes: tuple[str, ...] = ()
    reveals: tuple[Reveal, ...] = ()


class SubscriptionRule(_OwnForm):
    """Every unit like `unit` hears every event type like one of `event_types` for every purpose like one of `purposes`.

    Shell patterns, `*` for any run of characters. A subscription gives no right to be told.
    """

    code: str
    version: int
    label: Label
    valid_from: Day
    valid_to: EndDay | None
    source: str
    unit: str
    event_types: tuple[str, ...]
    purposes: tuple[str, ...]


class Endpoint(_OwnForm):
    """Where a unit's doorbell hangs. `secret_file` is a name in the secrets folder; it holds `whsec_…`.

    `sensitivity`: the highest level that the unit's system is told of, by ring and by API.
    """

    unit: Code
    url: str = Field(pattern=r"^https?://[^\s@]+$")  # no credentials in an address
    secret_file: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    client_id: Identity | None = None
    sensitivity: Sensitivity = ORDINARY

    @property
    def actor(self) -> str:
        """Who is told, in the use log: the receiving system."""
        return self.client_id or self.unit


_Kind = TypeVar("_Kind", Entry, Unit, Category, EventType, SubscriptionRule)


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything above, by code."""

    units: Mapping[str, Unit]
    purposes: Mapping[str, Entry]
    categories: Mapping[str, Category]
    event_types: Mapping[str, EventType]
    subscriptions: frozenset[Subscription]
    endpoints: Mapping[str, Endpoint]

    def label(self, kind: Literal["units", "purposes", "categories", "event_types"], code: str, in_: Language) -> str:
        """The words for a code; the code itself where nobody has given it words."""
        entries: Mapping[str, Entry] = getattr(self, kind)
        entry = entries.get(code)
        return code if entry is None else entry.label.da if in_ == "da" else entry.label.en

    def categories_up_to(self, level: Sensitivity) -> frozenset[str] | None:
        """What somebody of this level is told of; None: everything. An unknown category counts as the highest level."""
        if level is Sensitivity.RESTRICTED:
            return None
        return frozenset(code for code, entry in self.categories.items() if level.includes(entry.sensitivity))

    def level_of_system(self, unit: str, client_id: str) -> Sensitivity:
        """The level of a unit's system: its endpoint's. A system that is not the endpoint's has ORDINARY at most."""
        endpoint = self.endpoints.get(unit)
        if endpoint is None:
            return ORDINARY
        its_own = endpoint.client_id in {None, client_id}
        return endpoint.sensitivity if its_own or ORDINARY.includes(endpoint.sensitivity) else ORDINARY

    def endpoint_for(self, notification: Notification) -> Endpoint | None:
        """The endpoint of its recipient, if that may be told of it at its level."""
        endpoint = self.endpoints.get(notification.recipient_unit)
        if endpoint is None or not notification.is_within(self.categories_up_to(endpoint.sensitivity)):
            return None
        return endpoint


def load(folder: Path, endpoints_file: Path | None = None, *, tls_only: bool = False) -> Reference:
    """Read the folder. Raises ReferenceDataError naming the file and the field.

    `endpoints_file` None: `endpoints.yaml` in the folder, and no doorbells where there is none. `tls_only`: an
    endpoint without TLS is refused, since that a bell rings at all is told to whoever listens.
    """
    endpoints = _endpoints(endpoints_file or folder / "endpoints.yaml", required=endpoints_file is not None)
    if tls_only and any(endpoint.url.startswith("http://") for endpoint in endpoints.values()):
        raise ReferenceDataError("endpoints: url: must be https outside the development profile")
    units = _newest(folder / "units.yaml", Unit)
    event_types = _newest(folder / "event_types.yaml", EventType)
    rules = _newest(folder / "subscriptions.yaml", SubscriptionRule).values()
    return Reference(
        units=units,
        purposes=_newest(folder / "purposes.yaml", Entry),
        categories=_newest(folder / "categories.yaml", Category),
        event_types=event_types,
        subscriptions=_expand(rules, units, event_types),
        endpoints=endpoints,
    )


def _expand(
    rules: Iterable[SubscriptionRule], units: Mapping[str, Unit], event_types: Mapping[str, EventType]
) -> frozenset[Subscription]:
    """The rules as single facts, so that matching is a look-up."""
    return frozenset(
        Subscription(unit, kind.code, purpose)
        for rule in rules
        for unit in units
        if fnmatchcase(unit, rule.unit)
        for kind in event_types.values()
        if kind.reveals and _like(kind.code, rule.event_types)
        for purpose in kind.purposes
        if _like(purpose, rule.purposes)
    )


def _like(code: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(code, pattern) for pattern in patterns)


def _endpoints(path: Path, *, required: bool) -> Mapping[str, Endpoint]:
    if not required and not path.exists():
        return MappingProxyType({})
    found = _read(path, Endpoint)
    by_unit = {endpoint.unit: endpoint for endpoint in found}
    if len(by_unit) != len(found):
        raise ReferenceDataError(f"{path.name}: unit: each unit has one endpoint")
    return MappingProxyType(by_unit)


def _newest(path: Path, form: type[_Kind]) -> Mapping[str, _Kind]:
    entries = sorted(_read(path, form), key=lambda entry: entry.version)
    return MappingProxyType({entry.code: entry for entry in entries})


_Any = TypeVar("_Any", bound=BaseModel)


def _read(path: Path, form: type[_Any]) -> list[_Any]:
    try:
        content = orjson.dumps(read_yaml(path))
        return TypeAdapter(list[form]).validate_json(content, strict=True)  # type: ignore[valid-type]
    except ValidationError as error:
        raise ReferenceDataError(f"{path.name}: {_wrong(error, form)}") from error
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise ReferenceDataError(f"{path.name}: cannot be read as YAML") from error


def _wrong(error: ValidationError, form: type[BaseModel]) -> str:
    first = error.errors()[0]
    near = nearest(str(first["loc"][-1]), form.model_fields) if first["type"] == "extra_forbidden" else ""
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}{near}"
