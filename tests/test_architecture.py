"""Who may know whom: plugins import the core, the core imports no plugin, nothing imports in a circle or upwards.

Every import counts: late ones, and those that only type checkers see.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
import wheels

CORE = "softreserve"

#: What stands at the top of the core by floor, lowest first; ``softreserve`` is the package itself.
FLOORS = (
    ("model",),
    ("kernel",),
    ("plugins",),
    ("machine", "config"),
    ("views", "live"),
    (CORE,),
    ("cli",),
    ("testing", "__main__"),
)
#: What stands at the top of the package: few enough to be taken in at a glance.
TOP_MOST = 12
SOURCES = {
    wheels.package(folder).name: wheels.package(folder)
    for folder in wheels.FOLDERS + wheels.EXAMPLES
    if folder != wheels.PYTEST
}
PLUGINS = sorted(set(SOURCES) - {CORE})


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import, wherever it stands; ``from package import module`` names the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield node.lineno, module if module in MODULES else node.module or ""


def name_of(path: Path, package: str) -> str:
    """The dotted name of a module; a package's own name for its ``__init__.py``."""
    parts = (package, *path.relative_to(SOURCES[package]).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path, package): path for package in SOURCES for path in sorted(SOURCES[package].rglob("*.py"))}
#: What each module of ours imports, and a place where it does.
GRAPH = {
    name: {module: f"{path.relative_to(wheels.ROOT)}:{line}" for line, module in reversed([*imports(path)])}
    for name, path in MODULES.items()
}


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Modules that import each other in a circle, from one back to the same; empty where there is none."""
    done: set[str] = set()

    def search(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done or module not in graph:
            return []
        for imported in graph[module]:
            if found := search(imported, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in graph if (found := search(module, []))), [])


def folder(module: str) -> str:
    """The folder or module at the top of the core that a module is in; the package itself has its own name."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] or package


def ours(package: str) -> list[tuple[str, str, str]]:
    """``(place, module, imported module)`` of every import of one of our packages."""
    return [
        (place, module, imported)
        for module, places in GRAPH.items()
        for imported, place in places.items()
        if module.partition(".")[0] == package and imported.partition(".")[0] in SOURCES
    ]


FLOOR = {folder: number for number, folders in enumerate(FLOORS) for folder in folders}


@pytest.mark.parametrize("package", SOURCES)
def test_no_module_imports_itself_by_way_of_others(package: str) -> None:
    found = circle({module: GRAPH[module] for module in GRAPH if module.partition(".")[0] == package})
    assert not found, " -> ".join(found)


def test_a_circle_is_found_and_named() -> None:
    assert circle({"a": ["b"], "b": ["c", "d"], "c": [], "d": ["b"]}) == ["b", "d", "b"]
    assert circle({"a": ["a"]}) == ["a", "a"]
    assert circle({"a": ["b", "c"], "b": ["c"], "c": ["elsewhere"]}) == []


def test_everything_at_the_top_of_the_core_has_a_floor() -> None:
    assert {folder(module) for module in MODULES if module.partition(".")[0] == CORE} == set(FLOOR)
    entries = [path.name for path in SOURCES[CORE].iterdir() if path.name != "__pycache__"]
    assert len(entries) <= TOP_MOST, sorted(entries)


def test_no_import_leads_to_a_higher_floor_or_across_one() -> None:
    found = [
        f"{place}: {folder(module)} imports {imported}"
        for place, module, imported in ours(CORE)
        if folder(module) != folder(imported) and FLOOR[folder(imported)] >= FLOOR[folder(module)]
    ]
    assert found == []


def test_there_are_wheels() -> None:
    assert CORE in SOURCES
    assert len(PLUGINS) > 4


def test_the_core_imports_no_plugin() -> None:
    assert [place for place, _, imported in ours(CORE) if imported.partition(".")[0] != CORE] == []


@pytest.mark.parametrize("package", PLUGINS)
def test_a_plugin_imports_the_core_and_itself(package: str) -> None:
    assert [place for place, _, imported in ours(package) if imported.partition(".")[0] not in (CORE, package)] == []


def test_the_core_knows_no_plugin_by_name() -> None:
    names = "|".join(name.removeprefix("softreserve_") for name in PLUGINS)
    pattern = re.compile(rf"(?<!--)softreserve[_-]({names})\b")  # and no option of a program
    found = [
        f"{path.relative_to(wheels.ROOT)}:{number}"
        for path in sorted(SOURCES[CORE].rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


#: Names of architectures as words; what follows ``-`` is part of another name.
ARCHITECTURE = re.compile(
    r"(?<![a-z0-9-])(x86(_64)?|amd64|i386|arm64|aarch64|riscv(64)?|loongarch(64)?)(?![a-z0-9])", re.IGNORECASE
)


def said(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names and texts in code; not docstrings, nor what tables say of behaviours and how they are known."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Behaviour", "Boundary"):
            for keyword in node.keywords:
                yield from said(keyword)
            continue
        for name in ("id", "attr", "name", "arg", "value"):
            if isinstance(text := getattr(node, name, None), str):
                yield getattr(node, "lineno", 0), text
        yield from said(node)


def test_the_core_knows_no_architecture_by_name() -> None:
    """A plugin describes its own (``ArchInfo``); formats that name several are data beside the code."""
    found = [
        f"{path.relative_to(wheels.ROOT)}:{line}: {text}"
        for path in sorted(SOURCES[CORE].rglob("*.py"))
        for line, text in said(ast.parse(path.read_text()))
        if ARCHITECTURE.search(text.replace("_", " ") if text.isidentifier() else text)
    ]
    assert found == []


@pytest.mark.parametrize("package", PLUGINS)
def test_loading_a_plugin_imports_little(package: str) -> None:
    """What stands at the top of the module with the hooks is imported at every boot: nothing slow, no third party."""
    slow = {"rich", "jinja2", "cattrs", "intervaltree", "numpy", "joblib", "importlib.metadata"}
    tree = ast.parse((SOURCES[package] / "plugin.py").read_text())
    names = {
        name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert not names & slow


def drawing() -> str:
    """The floors of the core, the highest first, each folder with what it imports from below."""
    found: dict[str, set[str]] = {name: set() for name in FLOOR}
    for _, module, imported in ours(CORE):
        found[folder(module)].add(folder(imported))
    lines = []
    for number, names in reversed([*enumerate(FLOORS, 1)]):
        for name in names:
            below = [other for floor in reversed(FLOORS[: number - 1]) for other in floor if other in found[name]]
            lines.append(f"{number if name == names[0] else '':1}  {name:11}  {' '.join(below)}".rstrip())
    return "\n".join(lines)


def test_the_drawing_of_the_floors_is_that_of_the_imports() -> None:
    page = (wheels.ROOT / "docs" / "architecture.md").read_text()
    assert f"```text\n{drawing()}\n```" in page, drawing()


def test_the_map_of_rooms_leads_to_rooms() -> None:
    page = (wheels.ROOT / "CONTRIBUTING.md").read_text()
    table = page.partition("| you want to change | look in |")[2].partition("\n\n")[0]
    rooms = re.findall(r"`((?:core|plugins|tests)/[\w/.-]+)`", table)
    assert len(rooms) > 20
    assert [room for room in rooms if not (wheels.ROOT / room).exists()] == []


def named_rules(package: str) -> Iterator[tuple[str, str]]:
    """``(code, place)`` of every event rule that a package makes."""
    for name, path in MODULES.items():
        if name.partition(".")[0] == package and name != "softreserve.model.events":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Rule":
                    assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}: a code that is not constant"
                    yield str(node.args[0].value), f"{path.relative_to(wheels.ROOT)}:{node.lineno}"


def test_every_rule_of_an_event_has_a_code_of_its_own() -> None:
    places: dict[str, list[str]] = {}
    for package in SOURCES:
        for code, place in named_rules(package):
            places.setdefault(code, []).append(place)
    assert {code: found for code, found in places.items() if len(found) > 1} == {}
    assert [code for code in places if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []
    assert len(places) > 30


def test_nobody_reads_the_words_of_the_kernel_log_but_to_show_them() -> None:
    shown = {f"core/src/softreserve/{name}.py" for name in ("kernel/kmsg", "testing/exercise", "views/emit")}
    found = {
        str(path.relative_to(wheels.ROOT))
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "lines" and "log" in ast.unparse(node.value)
    }
    assert found <= shown
