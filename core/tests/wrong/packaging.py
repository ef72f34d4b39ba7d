"""Wheels that are wrong: entry points to nothing, hooks that are none."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

from wrong import packaged, toy

MARKED = "from softreserve import hookimpl\n@hookimpl\n"
HOOK = (
    MARKED
    + """
def softreserve_sysfs(system):
    return None
"""
)


def entry(name: str, how: str, says: str, plugins: str, *, source: str = HOOK, arches: str = "", **more: str) -> None:
    """A distribution with these entries."""
    text = f"[softreserve.plugins]\n{plugins}\n" + (f"[softreserve.arches]\n{arches}\n" if arches else "")
    packaged(name, how, says, source, entries=text, **more)

entry("entry-to-no-module", "points to a module that is not there", "wrong_gone|import", "NAME = wrong_gone")
entry("entry-to-no-object", "points to an object that is not there", "attribute|import", "NAME = MODULE:plugin")
entry("entry-to-a-string", "points to text", "str|hook", "NAME = MODULE:PLUGIN", source=HOOK + "PLUGIN = 'toy'\n")
entry("entry-to-none", "points to None", "none|hook", "NAME = MODULE:PLUGIN", source=HOOK + "PLUGIN = None\n")
entry("entry-to-a-number", "points to a number", "int|hook", "NAME = MODULE:PLUGIN", source="PLUGIN = 7\n")
entry("entry-to-a-function", "points to a function", "function|hook", "NAME = MODULE:softreserve_sysfs")
entry(
    "entry-to-a-class",
    "points to a class, not to an object of it: methods lack self",
    "class",
    "entry-to-a-class = MODULE:Plugin",
    source="""
from softreserve import hookimpl

class Plugin:
    @hookimpl
    def softreserve_sysfs(self, system):
        return None
""",
)
entry("entry-is-empty", "an entry without a value", "entry|import", "NAME =")
entry("entry-is-garbage", "an entry that is no module name", "import|entry", "NAME = not a module!")
entry("two-names", "one object under two names", "two|twice|same", "NAME = MODULE\nNAME-again = MODULE", seen="kit")
packaged("no-hooks", "implements no hook", "hook", "VALUE = 1\n", seen="kit")
packaged("hook-without-a-mark", "a hook without @hookimpl", "hookimpl|softreserve_sysfs",
    "def softreserve_sysfs(system):\n    return None\n")
packaged("hook-half-marked", "one hook has the mark, another one lacks it", "hookimpl|softreserve_lint",
    HOOK + "def softreserve_lint(system):\n    return [1]\n")
packaged("hook-misspelt", "a hook whose name is misspelt", "softreserve_dax_driver|did you mean",
    MARKED + "def softreserve_dax_driver(system):\n    return []\n")
packaged("hook-without-prefix", "a hook without the prefix", "sysfs|hook",
    MARKED + "def sysfs(system):\n    return None\n")
packaged("argument-misspelt", "an argument that the hook does not have", "sytem",
    MARKED + "def softreserve_sysfs(sytem):\n    return None\n")
packaged("argument-too-many", "an argument too many", "verbose",
    MARKED + "def softreserve_sysfs(system, verbose):\n    return None\n")
packaged("argument-with-default", "an argument with a default, which is never given", "default|outcome", at="lint",
    seen="kit", source=MARKED + "def softreserve_lint(system, outcome=None):\n    return outcome and None\n")
packaged("arguments-are-starred", "takes *args, which get nothing", "args|argument",
    MARKED + "def softreserve_sysfs(*args):\n    return args[0].sysfs and None\n")
packaged("keyword-only", "keyword-only arguments", "argument|keyword",
    MARKED + "def softreserve_sysfs(*, system):\n    return None\n")
packaged("wrapper", "a hook wrapper", "wrapper",
    "from softreserve import hookimpl\n@hookimpl(wrapper=True)\ndef softreserve_sysfs(system):\n    return (yield)\n")
packaged("old-wrapper", "an old hook wrapper", "wrapper",
    "from softreserve import hookimpl\n@hookimpl(hookwrapper=True)\ndef softreserve_sysfs(system):\n    yield\n")
packaged("marked-for-pytest", "marked by the marker of another project", "hook",
    "import pluggy\n@pluggy.HookimplMarker('pytest')\ndef softreserve_sysfs(system):\n    return None\n")
packaged("hook-is-a-value", "a hook that is no function", "softreserve_sysfs|callable",
    "import softreserve\nclass Hook:\n    pass\nsoftreserve_sysfs = softreserve.hookimpl(Hook())\n")
entry(
    "hook-is-a-property",
    "a property in a hook's place raises",
    "property|hook|plugin",
    "NAME = MODULE:plugin",
    source="""
from softreserve import hookimpl

class Plugin:
    @property
    def softreserve_sysfs(self):
        raise ValueError("broken")

    @hookimpl
    def softreserve_modules(self, system):
        return []

plugin = Plugin()
""",
)
entry(
    "getattr-raises",
    "an object whose every attribute raises",
    "attribute|plugin",
    "NAME = MODULE:plugin",
    source="""
class Plugin:
    def __getattribute__(self, name):
        raise RuntimeError("no " + name)

plugin = Plugin()
""",
)
entry(
    "getattr-has-everything",
    "an object that has every attribute",
    "hook|plugin",
    "NAME = MODULE:plugin",
    source="""
class Plugin:
    def __getattr__(self, name):
        return lambda *args: None

plugin = Plugin()
""",
)
packaged("missing-dependency", "needs a module that is not installed", "no module|numpy_of_toys",
    "import numpy_of_toys\n" + HOOK)
packaged("private-name", "needs a name that the core does not have", "softreserve|import",
    "from softreserve import Hooks\n" + HOOK)
packaged("syntax-error", "cannot be parsed", "syntaxerror", "def softreserve_sysfs(system:\n")
packaged("indentation-error", "cannot be parsed", "indentationerror", "def f():\nreturn 1\n")
packaged("no-utf8", "is no text", "syntaxerror|import", "# -*- coding: klingon -*-\n" + HOOK)
packaged("import-raises", "raises when it is imported", "valueerror", "raise ValueError('toy')\n")
packaged("import-raises-base-exception", "raises no Exception when it is imported", "gone",
    "class Gone(BaseException): pass\nraise Gone('toy')\n")
packaged("import-raises-without-words", "raises an error whose str raises when it is imported", "mute",
    "class Mute(Exception):\n    def __str__(self): raise self\nraise Mute\n")
packaged("import-recurses", "recurses when it is imported", "recursion", "def f(): return f()\nf()\n")
packaged("import-is-ten-megabytes", "raises 10 MB when it is imported", "valueerror",
    "raise ValueError('x' * 10_000_000)\n")
packaged("import-raises-click-exit", "raises click's Exit when it is imported", "exit",
    "import click\nraise click.exceptions.Exit(0)\n")
packaged("import-raises-machine-error", "raises MachineError when it is imported", "machineerror",
    "import softreserve\nraise softreserve.MachineError('toy')\n")
packaged("import-raises-plugin-error", "raises PluginError when it is imported", "plugin",
    "import softreserve\nraise softreserve.PluginError('plugin x86: it was it')\n")

TOY = """
from wrong import plugin_of, corpus
globals().update(vars(plugin_of(corpus.ROWS['arch'])))
"""


def arch(name: str, how: str, says: str, arches: str, *, source: str = TOY, seen: str = "commands",
    at: str = "boot") -> None:
    """A distribution with an architecture whose entries are wrong."""
    entry(name, how, says, "NAME = MODULE", source=source, arches=arches, kind="arch", seen=seen, at=at)

arch("arches-entry-elsewhere", "the entry of the architecture points elsewhere", "softreserve.arches|points",
    f"{toy.ARCH} = wrong_elsewhere")
arch("arches-entry-to-an-attribute", "the entry of the architecture points into the module",
    "softreserve.arches|points", f"{toy.ARCH} = MODULE:softreserve_arch_info")
arch("declares-too-much", "declares an architecture that it does not boot", "mips64|declare",
    f"{toy.ARCH} = MODULE\nmips64 = MODULE", seen="kit")
arch("declares-only-another", "declares another architecture than it boots", "mips64|declare", "mips64 = MODULE",
    seen="kit")
entry("declares-nothing", "boots an architecture and does not declare it", "declare|softreserve.arches",
    "NAME = MODULE", source=TOY, seen="kit")
arch("declares-an-empty-name", "declares an architecture without a name", "name|arch", " = MODULE")
arch("declares-an-odd-name", "declares an architecture whose name has a slash and spaces", "name|arch",
    f"{toy.ARCH} = MODULE\n../x y = MODULE", seen="kit")
arch("declares-x86", "declares x86_64, which another plugin boots", "several|x86_64",
    f"{toy.ARCH} = MODULE\nx86_64 = MODULE", seen="kit")
packaged("newer-api", "is for a newer core", "api|newer", HOOK + "softreserve_api = 99\n", seen="kit")


# --- two plugins of one distribution that collide

DRIVER = """
class Driver:
    name = module = "toy_dax"
    option, source, type, match_always = "DAX", "drivers/dax/toy.c", "kmem", True

    def __init__(self, **changes):
        vars(self).update(changes)

    def probe(self, device):
        return 0

    def remove(self, device):
        pass
"""


def collide(
    name: str,
    how: str,
    says: str,
    hook: str,
    one: str,
    two: str,
    *,
    at: str = "boot",
    more: str = "",
    kind: str = "any",
) -> None:
    """Two plugins whose answers to a hook collide; ``at`` names the other one."""
    source = f"""
import click
import softreserve as sr
{more}
class Plugin:
    def __init__(self, answer):
        self.answer = answer

    @sr.hookimpl
    def softreserve_{hook}(self):
        return self.answer()

one = Plugin(lambda: {one})
two = Plugin(lambda: {two})
"""
    entries = "[softreserve.plugins]\nNAME = MODULE:one\nNAME-two = MODULE:two\n"
    packaged(name, how, says, source, kind=kind, entries=entries, at=f"{at} -p {name}-two", seen="pair")

collide("pair-of-drivers", "two plugins bring a driver of one name", "toy_dax", "dax_drivers", "[Driver()]",
    "[Driver(module='other')]", more=DRIVER, kind="driver")
collide("pair-of-drivers-modules", "two plugins bring a driver by one module", "toy_dax", "dax_drivers", "[Driver()]",
    "[Driver(name='other')]", more=DRIVER, kind="driver")
collide("pair-of-modules", "two plugins bring a module of one name", "toy", "modules",
    "[sr.Module('toy', 'DAX', 'drivers/dax/toy.c')]", "[sr.Module('toy', 'DAX', 'drivers/dax/toy.c')]")
collide("pair-of-policies", "two plugins bring a kexec policy of one name", "toy", "kexec_policies",
    "[sr.KexecPolicy('toy', 'one')]", "[sr.KexecPolicy('toy', 'two')]", at="kexec --policy toy")
collide("pair-of-emitters", "two plugins bring an emitter of one name", "toy", "emitters",
    "[sr.Emitter('toy', lambda system: ['one'])]", "[sr.Emitter('toy', lambda system: ['two'])]", at="boot --emit toy")
collide("pair-of-nodes", "two plugins bring a node of one number", "5", "nodes", "[sr.NodeOffer(5, 'one')]",
    "[sr.NodeOffer(5, 'two')]")
collide("pair-of-lanes", "two plugins bring a lane of one name", "toys", "report_lanes", "[sr.Lane('toys', ())]",
    "[sr.Lane('toys', ())]")
collide("pair-of-offers", "two plugins offer the same memory", "overlap", "dax_devices",
    "[sr.DaxOffer(64 << 30, 66 << 30, 0, 'one')]", "[sr.DaxOffer(65 << 30, 67 << 30, 0, 'two')]", at="lint",
    kind="dax")
packaged("pair-of-attributes", "two plugins add one attribute", "/sys/kernel/toy/value", """
import softreserve as sr
from softreserve.kernel.sysfs import Attribute

class Plugin:
    @sr.hookimpl
    def softreserve_sysfs(self, system):
        system.sysfs.add("/sys/kernel/toy/value", Attribute(0o444, lambda: "1"))

one, two = Plugin(), Plugin()
""", at="export -p pair-of-attributes-two", seen="pair",
    entries="[softreserve.plugins]\nNAME = MODULE:one\nNAME-two = MODULE:two\n")
