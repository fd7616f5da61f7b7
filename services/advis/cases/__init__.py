"""The registry of open cases, in which a caseworker must have a part to be told."""
