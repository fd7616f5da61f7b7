"""A citizen refuses a purpose, a unit or everything, and lifts the refusal (R50)."""
