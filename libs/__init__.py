"""Shared code: `common` is plumbing and the wire contract, `cli` is the operator's command.

Neither imports a service.
"""

__version__ = "1.0.0"
