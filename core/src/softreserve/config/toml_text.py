"""Values as TOML writes them."""

from __future__ import annotations

__all__ = ["toml_string"]


def toml_string(text: str) -> str:
    """A TOML basic string. What is no text (surrogates) becomes U+FFFD."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character == "\n":
        return "\\n"
    code = ord(character)
    if 0xD800 <= code < 0xE000:
        return "\\ufffd"
    return f"\\u{code:04x}" if code < 0x20 or code == 0x7F else character
