"""Text that came from strangers, such that every character of it can be seen."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["clean"]

#: What Unicode calls letters or marks, and nobody sees (Default_Ignorable_Code_Point; Python knows the others).
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0").union(
    *(map(chr, range(first, last + 1)) for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF)))
)


def clean(text: str, keep: Collection[str] = ()) -> str:
    r"""Text with everything escaped (``\x1b``, ``\n``, ``\u202e``) that is no visible character or plain blank.

    That is control characters, formatting ones such as those that turn the direction of writing, blanks that look
    like nothing or like the plain one, and halves of surrogate pairs. ``keep`` names exceptions.
    """
    if text.isprintable() and (text.isascii() or _UNSEEN.isdisjoint(text)):
        return text
    return "".join(c if c in keep or (c.isprintable() and c not in _UNSEEN) else ascii(c)[1:-1] for c in text)
