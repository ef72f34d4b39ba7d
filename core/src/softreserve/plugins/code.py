"""Plugins that are not installed: code that a person names, ``package.module:object`` or ``path/to/file.py``.

Naming code runs it: whoever takes names from others must take those of installed plugins only.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import Any, Final, NamedTuple

from softreserve.model.errors import PluginError, UnknownPluginError, shown
from softreserve.plugins.entrypoints import EntryPoint, attribute, look_elsewhere

__all__ = ["Code", "Source", "code_of", "is_code", "is_module"]

_FILE: Final = ".py"
_DOTTED: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
#: ``NAME:path/to/file.py:object``, of which the first and the last part may be missing.
_OF_FILE: Final = rf"(?:(?P<name>[\w-]+):)?(?P<path>.*?)(?::(?P<object>{_DOTTED}))?"
_OF_MODULE: Final = rf"(?P<module>{_DOTTED})(?::(?P<object>{_DOTTED}))?"


class Code(NamedTuple):
    """A plugin that is not installed; like an entry point that somebody made up.

    :param name: what it is called.
    :param value: as it was named.
    :param module: the module to import; empty for a file that is in no package.
    :param attribute: the object in it; empty: the module itself.
    :param file: the file that the module must be of; empty: wherever it is found.
    :param folder: where modules are looked for that are nowhere else.
    """

    name: str
    value: str
    module: str
    attribute: str
    file: str
    folder: str
    #: As entry points have them: no wheel brings it.
    distribution: str = ""
    version: str = ""

    def load(self) -> Any:
        """Import the object; a second time it is the same one.

        :raises Exception: whatever the code raises.
        """
        look_elsewhere(self.folder)
        module = import_module(self.module) if self.module else _run(self.file)
        if self.file and os.path.realpath(str(module.__file__)) != self.file:
            raise ImportError(f"module {self.module} is {module.__file__} already")
        found = attribute(module, self.attribute)
        if not any(hasattr(getattr(found, name, None), "softreserve_impl") for name in dir(found)):
            raise ImportError("it has no hook: a function of it that is marked with softreserve.hookimpl")
        return found


#: What a plugin can be loaded from.
Source = EntryPoint | Code


def is_code(word: str) -> bool:
    """Whether a word can mean code only, and no installed plugin."""
    return word.endswith(_FILE) or any(sign in word for sign in ":/")


def is_module(word: str) -> bool:
    """Whether a word, which is no installed plugin's, is the name of a module that may be one."""
    if not re.fullmatch(_DOTTED, word) or word.partition(".")[0] in sys.stdlib_module_names:
        return False
    from importlib.util import find_spec

    top = word.partition(".")[0]
    return find_spec(top) is not None or _in_folder(top, os.getcwd())


def code_of(word: str, folder: str = "") -> Code:
    """The code that a word means.

    :param folder: which paths are relative to; empty: the current directory.
    :raises UnknownPluginError: it means none, or there is no such file.
    """
    folder = os.path.realpath(folder)
    if _FILE + ":" in word or word.endswith(_FILE) or "/" in word:
        path = os.path.join(folder, os.path.expanduser(word))
        if os.path.isfile(path):
            return _of_file(word, path)
        parts = re.fullmatch(_OF_FILE, word)
        assert parts is not None
        path = os.path.join(folder, os.path.expanduser(parts["path"]))
        if not os.path.isfile(path):
            raise UnknownPluginError(f"plugin {word}: no such file")
        return _of_file(word, path, parts["name"] or "", parts["object"] or "")
    found = re.fullmatch(_OF_MODULE, word)
    if found is None:
        wanted = "package.module, package.module:object, path/to/file.py or NAME:path/to/file.py"
        raise UnknownPluginError(f"plugin {shown(word)}: wanted the name of an installed plugin, {wanted}")
    return Code(word, word, found["module"], found["object"] or "", "", folder)


def _of_file(word: str, path: str, name: str = "", thing: str = "") -> Code:
    """A file; one of a package is imported as its module, so that it can import the others."""
    path = os.path.realpath(path)
    folder, base = os.path.split(path)
    names = [base.removesuffix(_FILE)]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        names.insert(0, package)
    if names[-1] == "__init__":
        del names[-1]
    module = ".".join(names)
    return Code(name or module, word, module if len(names) > 1 else "", thing, path, folder)


def _run(path: str) -> Any:
    """Import a file that is in no package, under a name that no other module has."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = "softreserve_code" + re.sub(r"\W", "_", path.removesuffix(_FILE))
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _in_folder(module: str, folder: str) -> bool:
    path = os.path.join(folder, module)
    return os.path.isfile(path + _FILE) or os.path.isfile(os.path.join(path, "__init__.py"))
