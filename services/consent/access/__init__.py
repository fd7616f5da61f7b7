"""Answers AuthZEN 1.0 questions: evaluation, evaluations and the three searches (docs/asking.md)."""
