"""The alphabets of names that come with a description and go to places where other characters mean something.

A machine's name stands in a shell's prompt, a release in paths and in what ``uname`` says. What a shell, a terminal or
a file system would take for more than a letter is in neither alphabet.
"""

from __future__ import annotations

import re

from softreserve.model.errors import shown

__all__ = ["LONGEST_RELEASE", "name_problem", "plain_name", "release_problem"]

#: Longest text of ``uname -r``. Linux: ``include/uapi/linux/utsname.h: __NEW_UTS_LEN``.
LONGEST_RELEASE = 64
#: Longest name of a file, in characters; a capture's name is its directory's.
_LONGEST_NAME = 255

_SIGNS = "._+:~@=,-"
_NAME = rf"(?![ -])[\w {_SIGNS}]+"
_FOREIGN = rf"[^\w {_SIGNS}]"
_RELEASE = r"[A-Za-z0-9][A-Za-z0-9._+:~-]*"


def name_problem(name: str) -> str | None:
    """Why no machine can have that name, or ``None``."""
    if not re.fullmatch(_NAME, name):
        return f"wanted letters, digits, spaces and {_SIGNS} (no - or space in front), not {shown(name)}"
    if len(name) > _LONGEST_NAME:
        return f"wanted a name of at most {_LONGEST_NAME} characters, not {shown(name)}"
    return None


def plain_name(name: str) -> str:
    """Any name in the alphabet of names: what is foreign to it is a ``?``."""
    return re.sub(_FOREIGN, "?", name)


def release_problem(release: str) -> str | None:
    """Why no kernel can have that release (``uname -r``), or ``None``."""
    if not re.fullmatch(_RELEASE, release):
        return f"wanted letters, digits and ._+:~- (none of these in front), not {shown(release)}"
    if len(release) > LONGEST_RELEASE:
        return f"wanted a release of at most {LONGEST_RELEASE} characters, not {shown(release)}"
    return None
