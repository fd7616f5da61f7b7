"""The page that says how long every table keeps its rows, drawn from the rules that delete them."""

from libs.common.running.retention import BUS_RETENTION, Kept, Purged, Retention
from libs.common.running.settings import CommonSettings
from services.advis import retention as advis_retention
from services.advis import settings as advis_settings
from services.audit import retention as audit_retention
from services.audit import settings as audit_settings
from services.consent import retention as consent_retention
from services.consent import settings as consent_settings

SERVICES: dict[str, tuple[Retention, type[CommonSettings]]] = {
    "consent": (consent_retention.RETENTION, consent_settings.Settings),
    "advis": (advis_retention.RETENTION, advis_settings.Settings),
    "audit": (audit_retention.RETENTION, audit_settings.Settings),
    "bus (embedded)": (BUS_RETENTION, CommonSettings),
}
_HEAD = """# How long every table keeps its rows

Made from the rules that delete (`python -m openapi.export`): a table without a rule, or without the reason why it has
none, fails the build. The worker of each service deletes every `SAMTYKKEBRO_RETENTION_EVERY_S` seconds, in batches that
an index finds; the relay does it for the embedded bus. Kafka's topics get the same horizon from `samtykkebro topics`.

One setting, `SAMTYKKEBRO_REPLAY_HORIZON_DAYS`, bounds what a restored database may be told again: outbox, inbox keys,
both buses and their dead letters. A longer one keeps audit entries in clear for longer; a shorter one makes older
backups useless. It has to be the same in all services.
"""


def page() -> str:
    """docs/retention.md."""
    return _HEAD + "".join(_section(name, *of) for name, of in SERVICES.items())


def _section(name: str, retention: Retention, settings: type[CommonSettings]) -> str:
    rows = [
        f"| `{table}` | {_period(rule, settings)} | {rule.why if isinstance(rule, Kept) else rule.what} |"
        for table, rules in sorted(retention.items())
        for rule in ((rules,) if isinstance(rules, Kept) else rules)
    ]
    return f"\n## {name}\n\n| table | kept | what |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _period(rule: Kept | Purged, settings: type[CommonSettings]) -> str:
    if isinstance(rule, Kept):
        return "stays"
    unit = rule.period.rpartition("_")[2]
    return f"{settings.model_fields[rule.period].default} {unit} (`{rule.period.upper()}`)"
