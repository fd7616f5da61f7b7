"""Authorities of guardians and attorneys: recorded by an employee, confirmed by a second one, ended."""
