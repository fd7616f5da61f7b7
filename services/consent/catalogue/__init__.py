"""Purposes, legal bases, categories, units: reference data with versions, checked, linted and administered."""
