#!/usr/bin/env python3
"""Recompute a vector file (outputs of real kernel functions) with this project's functions.

usage: run_vectors.py FILE.jsonl[.xz] [--out RESULT.jsonl] [--family NAME] [--show N]

Each line of FILE is a case: ``id``, ``in`` and, unless they were cut off, the result fields. Only ``in`` is handed to
the computation. Some files write a question beside its answer (``probes``: an address and what the kernel says of it);
a family may define ``questions(case)``, which picks the questions, and never an answer, out of a case that has them.
``--out`` writes ``id`` and the result fields as JSON Lines. The last line is ``N passed, M failed``; a case without
result fields counts as neither. Exit status: 0 all passed, 1 something failed, 2 usage.
"""

from __future__ import annotations

import argparse
import importlib
import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

FAMILIES = sorted(p.stem.replace("_", "-") for p in Path(__file__).with_name("families").glob("[a-z]*.py"))


def family_of(path: Path) -> str | None:
    """The family a file belongs to, by its name: ``e820-update.jsonl``, ``heldout-e820-update-2.jsonl`` ..."""
    stem = path.name.split(".")[0].replace("_", "-")
    fitting = [name for name in FAMILIES if name in stem]
    return max(fitting, key=len) if fitting else None


def cases(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, case) of every line that is not blank."""
    opened = lzma.open if path.suffix == ".xz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    case = json.loads(line)
                    if not isinstance(case, dict) or "in" not in case:
                        raise ValueError("no object with `in`")
                except ValueError as error:
                    raise SystemExit(f"{path}: line {number}: {error}") from None
                yield number, case


def first_difference(want: Any, have: Any, where: str = "") -> str:
    """Where two results differ first, for people."""
    if isinstance(want, dict) and isinstance(have, dict):
        for key in want:
            if key not in have:
                return f"{where}.{key}: missing"
            if want[key] != have[key]:
                return first_difference(want[key], have[key], f"{where}.{key}")
        extra = set(have) - set(want)
        if extra:
            return f"{where}: more than expected: {sorted(extra)}"
    if isinstance(want, list) and isinstance(have, list):
        for index, (a, b) in enumerate(zip(want, have, strict=False)):
            if a != b:
                return first_difference(a, b, f"{where}[{index}]")
        if len(want) != len(have):
            return f"{where}: {len(want)} expected, {len(have)} computed"
    return f"{where}: expected {want!r}, computed {have!r}"


def answer(family: ModuleType, case: dict[str, Any]) -> dict[str, Any]:
    """The result fields of a case, computed; and as JSON would give them back."""
    questions: dict[str, Any] = getattr(family, "questions", lambda _case: {})(case)
    computed = family.compute({**case["in"], **questions} if questions else case["in"])  # `in` may be a list
    found: dict[str, Any] = json.loads(json.dumps(computed))
    return found


def judge(case: dict[str, Any], have: dict[str, Any]) -> str | None:
    """How an answer differs from the result fields of its case (``""``: not at all); ``None`` where it has none."""
    want = {key: value for key, value in case.items() if key not in ("id", "in")}
    if not want:
        return None
    found = {key: have.get(key) for key in want}
    return "" if want == found else first_difference(want, found)


def module_of(family: str) -> ModuleType:
    """The module that computes a family."""
    return importlib.import_module(f"families.{family.replace('-', '_')}")


def run(path: Path, family: str, out: Path | None, show: int) -> int:
    """Compute every case of a file; print what differs."""
    module = module_of(family)
    passed = failed = 0
    results: list[str] = []
    for number, case in cases(path):
        have = answer(module, case)
        if out is not None:
            results.append(json.dumps({"id": case.get("id", number - 1), **have}, separators=(",", ":")))
        difference = judge(case, have)
        if difference is None:
            continue
        if not difference:
            passed += 1
        else:
            failed += 1
            if failed <= show:
                print(f"{path.name}: line {number}: id {case.get('id')}: {difference}")
    if out is not None:
        out.write_text("".join(line + "\n" for line in results), encoding="utf-8")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--family", choices=FAMILIES)
    parser.add_argument("--show", type=int, default=5, help="differences to print")
    options = parser.parse_args()
    if not options.file.is_file():
        parser.error(f"{options.file}: no such file")
    family = options.family or family_of(options.file)
    if family is None:
        parser.error(f"{options.file}: which family? one of {', '.join(FAMILIES)}")
    return run(options.file, family, options.out, options.show)


if __name__ == "__main__":
    sys.exit(main())
