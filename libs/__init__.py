"""Shared code: `common` is plumbing and the wire contract, `cli` is the operator's command.

Neither imports a service.
"""
