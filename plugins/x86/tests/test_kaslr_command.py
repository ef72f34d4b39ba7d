import json
from typing import Any

import pytest
from softreserve.cli import main

G = 1 << 30


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["kaslr", "example:two-node", *arguments]) == 0
    return capsys.readouterr().out


def sampled(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(capsys, "--json", "--samples", "20000", *arguments))
    return found


def hits_in_special_purpose(found: dict[str, Any]) -> int:
    return sum(area["hits"] for area in found["samples"]["areas"] if area["start"] == 4 * G)


def test_ranges_are_listed_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys)
    assert "specific purpose (EFI_MEMORY_SP), soft reservation is on" in out
    assert "always at 0x1000000: nokaslr is on the command line" in out


def test_a_seed_shows_its_slot(capsys: pytest.CaptureFixture[str]) -> None:
    # 971 slots from 16 MiB on, 2 MiB apart: 971 * 0x80000000 >> 32 = 485
    assert "seed 0x80000000: 0x3da00000, slot 485" in printed(capsys, "--cmdline", "quiet", "--seed", "0x80000000")


def test_samples_never_hit_soft_reserved_memory(capsys: pytest.CaptureFixture[str]) -> None:
    found = sampled(capsys)
    assert found["without_nokaslr"]
    assert found["samples"]["count"] == 20000
    assert hits_in_special_purpose(found) == 0


def test_samples_hit_it_without_soft_reservation(capsys: pytest.CaptureFixture[str]) -> None:
    # 1003 of 1974 slots
    assert 9500 < hits_in_special_purpose(sampled(capsys, "--cmdline", "+efi=nosoftreserve")) < 11000


def test_people_get_a_histogram(capsys: pytest.CaptureFixture[str]) -> None:
    assert "100.0 %  ####" in printed(capsys, "--cmdline", "mem=8G", "--samples", "10")


def test_the_same_sample_seed_gives_the_same_draws(capsys: pytest.CaptureFixture[str]) -> None:
    first, again, other = (sampled(capsys, "--sample-seed", seed)["samples"] for seed in ("1", "1", "2"))
    assert first == again != other


@pytest.mark.parametrize("option", [("--seed", "x"), ("--seed", "-1"), ("--samples", "0"), ("--seed", str(2**64))])
def test_a_wrong_number_is_bad_usage(capsys: pytest.CaptureFixture[str], option: tuple[str, str]) -> None:
    assert main(["kaslr", "example:two-node", *option]) == 2
    assert capsys.readouterr().err.count("\n") == 1
