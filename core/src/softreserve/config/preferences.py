"""What people say of plugins everywhere: in the environment, and in a file of theirs.

The file is ``softreserve/config.toml`` in ``$XDG_CONFIG_HOME`` or ``~/.config``, where the library platformdirs has it,
too; importing that takes longer than a boot.
"""

from __future__ import annotations

import os
from typing import Final

from softreserve.model.errors import InputError
from softreserve.plugins.selection import NOTHING, WITHOUT, Layer, Wishes, wishes

__all__ = ["config_path", "further", "personal"]

#: Names another file; empty, or a file that is always empty: none.
FILE: Final = "SOFTRESERVE_CONFIG"
#: Plugins to load, with commas or blanks between them.
PLUGINS: Final = "SOFTRESERVE_PLUGINS"
#: When set, only those plugins are loaded that somebody names.
DISABLE_AUTOLOAD: Final = "SOFTRESERVE_DISABLE_PLUGIN_AUTOLOAD"

_NONE: Final = ("", os.devnull)


def personal(*above: Layer) -> Wishes:
    """What the user's configuration and the environment say.

    :param above: what overrules both, the last one all others.
    :raises InputError: there is no such file as the environment names.
    :raises ConfigError: everything that is wrong with it.
    """
    words = os.environ.get(PLUGINS, "").replace(",", " ").split()
    return Wishes(
        below=_configured(),
        above=(Layer(PLUGINS, tuple(words)), *above) if words else above,
        only_named=DISABLE_AUTOLOAD if os.environ.get(DISABLE_AUTOLOAD) else "",
    )


def further(layer: Layer) -> Wishes:
    """What counts at present, or what people say everywhere, and above that what a caller says."""
    current = wishes()
    return personal(layer) if current is NOTHING else current._replace(above=(*current.above, layer))


def config_path() -> str:
    """Where the user's configuration is, if there is one; empty: nowhere."""
    if FILE in os.environ:
        return os.environ[FILE]
    folder = os.environ.get("XDG_CONFIG_HOME", "").strip() or os.path.expanduser("~/.config")
    return os.path.join(folder, "softreserve", "config.toml")


def _configured() -> tuple[Layer, ...]:
    path = config_path()
    if path in _NONE:
        return ()
    if not os.path.exists(path):
        if FILE in os.environ:
            raise InputError(f"no such file ({FILE} names it)", path=path)
        return ()
    from softreserve.config.reader import Document, Problems

    problems = Problems()
    document = Document(path, problems, may_be_blank=True)
    table = document.read()
    words = [*table.strings("plugins"), *(WITHOUT + name for name in table.strings("disable"))]
    document.check_keys(strict=True)
    problems.check()
    return (Layer(path, tuple(words), os.path.dirname(path)),) if words else ()
