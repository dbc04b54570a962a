"""What names and free text may look like, checked before anything is stored.

Slugs go into URLs, file names and audit leaves, so they are ASCII. Free text
may be any script, but no control characters (PostgreSQL refuses NUL), no lone
surrogates and no direction overrides, which make a name look like another.
"""

import re
import unicodedata

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_FORBIDDEN = {"Cc", "Cs", "Co", "Cn"}
_INVISIBLE = frozenset("\u061c\u200b\u200e\u200f\u2028\u2029\ufeff") | frozenset(
    map(chr, (*range(0x202A, 0x202F), *range(0x2060, 0x206A)))
)


_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE", "LISU"})
"""Scripts with letters that look like those of another one."""


def is_slug(text: object) -> bool:
    """Tell whether ``text`` is 1 to 63 lower-case letters, digits and inner hyphens."""
    return isinstance(text, str) and SLUG.match(text) is not None


def is_sha256(text: object) -> bool:
    """Tell whether ``text`` is a SHA-256 in 64 lower-case hexadecimal digits."""
    return isinstance(text, str) and SHA256.match(text) is not None


def problem_with(text: str, *, limit: int = 2_000, blank: bool = False) -> str:
    """Say what is wrong with a piece of free text, or return ``""``.

    Args:
        limit: characters, at most.
        blank: whether nothing but white space is fine.
    """
    if not blank and not text.strip():
        return "must not be blank"
    if len(text) > limit:
        return f"is longer than {limit} characters"
    for char in text:
        if char in "\n\t":
            continue
        if unicodedata.category(char) in _FORBIDDEN or char in _INVISIBLE:
            return f"contains the character U+{ord(char):04X}, which is not allowed"
    return ""


def problem_with_letters(text: str) -> str:
    """Say why a name may be taken for another one by its look, or return ``""``.

    For names that people compare and search by: one script of those that look alike, and
    no letter in a form that is another's, such as a full-width one.
    """
    if unicodedata.normalize("NFKC", text) != text:
        return "has letters in a form that reads like another: write it in NFKC"
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in text if char.isalpha()}
    if len(mixed := sorted(scripts & _ALIKE)) > 1:
        return f"mixes letters that look alike: {' and '.join(mixed).lower()}"
    return ""
