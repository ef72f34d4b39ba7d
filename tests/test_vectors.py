"""What functions of real kernels answered, and what ours answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import run_vectors

FILES = sorted((Path(__file__).with_name("data") / "vectors").glob("*.jsonl.xz"))


def test_there_are_vectors_for_every_family() -> None:
    assert {run_vectors.family_of(path) for path in FILES} == set(run_vectors.FAMILIES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.split(".")[0])
def test_kernel_functions_are_recomputed(path: Path) -> None:
    family = run_vectors.family_of(path)
    assert family is not None
    try:
        module = run_vectors.module_of(family)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs {error.name}, which is not installed")
    wrong = {}
    for number, case in run_vectors.cases(path):
        difference = run_vectors.judge(case, run_vectors.answer(module, case))
        assert difference is not None, f"line {number} has no result to compare with"
        if difference:
            wrong[number] = difference
    assert not wrong


def test_a_result_that_was_cut_off_is_computed_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "heap-sort.jsonl"
    path.write_text('{"id": 7, "in": {"keys": [2, 1]}}\n')
    out = tmp_path / "out.jsonl"
    assert run_vectors.run(path, "heap-sort", out, show=0) == 0
    assert out.read_text().startswith('{"id":7,"')


def test_a_wrong_result_is_reported_with_its_place() -> None:
    want, have = {"out": [1, {"a": 2}]}, {"out": [1, {"a": 3}]}
    assert run_vectors.first_difference(want, have) == ".out[1].a: expected 2, computed 3"
