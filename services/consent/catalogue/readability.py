"""How easy a text is to read: LIX, the readability index (R42).

LIX = words / sentences + 100 × long words / words. A long word has more than 6 letters or digits. A word is what stands
between blanks and holds a letter or a digit, so an address or a number is one word. A sentence ends with . ! ? : or ;
at the end of a word, or with its paragraph. Below 25 is very easy, 35 is the limit for what a citizen reads.
"""

import re

LIX_MAX = 35.0
LONG_WORD = 6  # letters and digits; a word with more of them is long
_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!?:;][\"'”»)\]]*$")


def lix(text: str) -> float:
    """The index of a text, 0 for one without words. Rounded to one decimal."""
    paragraphs = [words for part in _PARAGRAPH.split(text) if (words := _words(part))]
    words = [word for paragraph in paragraphs for word in paragraph]
    if not words:
        return 0.0
    ends = sum(sum(_ends(word) for word in paragraph[:-1]) + 1 for paragraph in paragraphs)
    long = sum(_length(word) > LONG_WORD for word in words)
    return round(len(words) / ends + 100 * long / len(words), 1)


def _words(text: str) -> list[str]:
    return [word for word in text.split() if _length(word)]


def _length(word: str) -> int:
    return sum(character.isalnum() for character in word)


def _ends(word: str) -> bool:
    return _SENTENCE_END.search(word) is not None
