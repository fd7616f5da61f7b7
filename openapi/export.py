"""Write, or check, every published specification: `python -m openapi.export [--check]`.

Regenerate = committed (law 7): OpenAPI from the applications, JSON Schemas from the wire contract. The output is sorted
and stable, so that two builds can be compared byte for byte.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from libs.common.wire import messages, permits
from openapi import glossary, retention, rules
from openapi.applications import applications
from openapi.doors import page
from openapi.states import diagrams

HERE = Path(__file__).parent
SCHEMAS: dict[str, type[BaseModel]] = {
    "case-event-v1": messages.CaseEventData,
    "consent-event-v1": messages.ConsentEventData,
    "audit-entry-v1": messages.AuditEntry,
    "permits-acquire-v1": permits.AcquireRequest,
    "permits-settle-v1": permits.SettleRequest,
    "arrivals-v1": permits.ArrivalsRequest,
}


@cache
def specifications() -> dict[Path, str]:
    """File → text of everything that is published here."""
    texts = {HERE / f"{name}.json": _stable(app.openapi()) for name, app in applications().items()}
    for name, model in SCHEMAS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:samtykkebro:schema:{name}"}
        texts[HERE / "schemas" / f"{name}.json"] = _stable(schema | model.model_json_schema())
    texts[HERE.parent / "docs" / "states.md"] = diagrams()
    texts[HERE.parent / "docs" / "doors.md"] = page()
    texts[HERE.parent / "docs" / "retention.md"] = retention.page()
    texts[HERE.parent / "docs" / "rules.md"] = rules.page()
    texts[HERE.parent / "docs" / "glossary.md"] = glossary.page()
    return texts


def _stable(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or with --check say which differ. Returns the exit code."""
    stale = [
        path for path, text in specifications().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{'stale' if '--check' in arguments else 'written'}: {path.relative_to(HERE.parent)}")
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(specifications()[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
