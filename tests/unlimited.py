"""Quotas that no test or load reaches: its callers are many people under one name, and faster than people are."""

QUOTAS = dict.fromkeys(
    ("quota_reads_per_minute", "quota_writes_per_minute", "quota_system_calls_per_minute", "refused_tokens_per_minute"),
    10**9,
)
ENVIRONMENT = {f"SAMTYKKEBRO_{name.upper()}": str(value) for name, value in QUOTAS.items()}
