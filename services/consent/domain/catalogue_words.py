"""The exact words of a consent text, and what proves them (R10)."""

from hashlib import sha256

from services.consent.domain.catalogue import Bilingual, Language, Text


def body(text: Text, consequence: Bilingual, language: Language) -> str:
    """The exact words shown: the sections, then what a no means under this legal basis (R6), one paragraph each."""
    parts = text.da if language == "da" else text.en
    paragraphs = (parts.who, parts.what, parts.why, parts.how_long, parts.withdraw, consequence.get(language))
    return "\n\n".join(paragraph.strip() for paragraph in paragraphs)


def digest(words: str) -> str:
    """SHA-256 of the UTF-8 words, in lower-case hexadecimal: the evidence of what was shown (R10)."""
    return sha256(words.encode()).hexdigest()
