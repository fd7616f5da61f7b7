"""Finds pairs of places of the same shape: lines of functions that are alike once every name and constant is blanked.

A line's shape is its tokens with names (not keywords) and constants blanked. A place is a run of LINES_MIN or more
lines of a function, without its docstring, comments and empty lines. Places of two functions make a pair; of those that
overlap the longest counts, so that a list of twenty like lines is one place and not fifteen.
"""

import ast
import io
import keyword
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

LINES_MIN = 6
_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_SINGLE = {"None", "True", "False"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Line = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Place:
    """A run of lines of one function, from `first` to `last`, both included; `lines` of them are code."""

    path: Path
    first: int
    last: int
    lines: int

    def meets(self, other: "Place") -> bool:
        """Whether the two share a line."""
        return self.path == other.path and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return f"{self.path}:{self.first}-{self.last}"


Pair = tuple[Place, Place]
Body = tuple[Path, tuple[Line, ...]]
"""The lines of a function: number and shape."""


def pairs(sources: Mapping[Path, str]) -> list[Pair]:
    """Every pair of places of the same shape in these files, the longest first."""
    bodies = [(path, body) for path, text in sources.items() for body in _bodies(text)]
    seen: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for number, (_, lines) in enumerate(bodies):
        for start in range(len(lines) - LINES_MIN + 1):
            window = tuple(shape for _, shape in lines[start : start + LINES_MIN])
            seen.setdefault(window, []).append((number, start))
    found: dict[tuple[int, int], list[Pair]] = {}
    for places in seen.values():
        for (one, i), (other, j) in combinations(places, 2):
            if one != other and (pair := _pair(bodies[one], i, bodies[other], j)) is not None:
                found.setdefault((one, other), []).append(pair)
    kept = [pair for of_two in found.values() for pair in _longest(of_two)]
    return sorted(kept, key=lambda pair: (-pair[0].lines, str(pair[0]), str(pair[1])))


def _pair(one: Body, i: int, other: Body, j: int) -> Pair | None:
    """The longest places of one shape that begin at these lines; None where they begin before."""
    (left_path, left), (right_path, right) = one, other
    if i and j and left[i - 1][1] == right[j - 1][1]:
        return None
    length = 0
    while i + length < len(left) and j + length < len(right) and left[i + length][1] == right[j + length][1]:
        length += 1
    first = Place(left_path, left[i][0], left[i + length - 1][0], length)
    return first, Place(right_path, right[j][0], right[j + length - 1][0], length)


def _longest(found: list[Pair]) -> list[Pair]:
    """Of the pairs between two functions the longest, and those that share no line with a longer one."""
    kept: list[Pair] = []
    for one, other in sorted(found, key=lambda pair: -pair[0].lines):
        if not any(one.meets(longer[0]) or other.meets(longer[1]) for longer in kept):
            kept.append((one, other))
    return kept


def _bodies(text: str) -> Iterator[tuple[Line, ...]]:
    """The lines of each function of a file; a function inside another belongs to the outer one."""
    tree = ast.parse(text)
    shapes = _shapes(text)
    covered = 0
    for function in sorted((node for node in ast.walk(tree) if isinstance(node, Function)), key=lambda f: f.lineno):
        end = function.end_lineno or function.lineno
        if function.lineno > covered:
            covered = end
            documented = ast.get_docstring(function, clean=False) is not None
            said = range(function.body[0].lineno, (function.body[0].end_lineno or 0) + 1) if documented else range(0)
            lines = (number for number in range(function.lineno, end + 1) if number in shapes and number not in said)
            yield tuple((number, shapes[number]) for number in lines)


def _shapes(text: str) -> dict[int, str]:
    """Line number → its shape; no entry for a line without code."""
    lines: dict[int, list[str]] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _LAYOUT:
            lines.setdefault(token.start[0], []).append(_blanked(token))
    return {number: " ".join(tokens) for number, tokens in lines.items()}


def _blanked(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME and (not keyword.iskeyword(token.string) or token.string in _SINGLE):
        return "name"
    return "constant" if token.type in {tokenize.STRING, tokenize.NUMBER} else token.string
