"""Values that several packages share: who acts, scopes, bilingual texts, documents, the calendar, the errors."""
