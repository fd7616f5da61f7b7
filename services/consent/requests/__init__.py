"""An employee asks for a consent; the citizen answers in part, in whole or not (U8)."""
