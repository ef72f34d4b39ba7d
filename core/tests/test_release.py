"""Releases in their real order, and behaviours between them."""

from __future__ import annotations

import pytest
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.release import Behaviour, Boundary, Release


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("6.1", (6, 1, None)),
        ("6.1.0", (6, 1, 0)),
        ("v6.12-rc3", (6, 12, None)),
        ("6.1.0-56-amd64", (6, 1, None)),
        ("6.1.192-fake", (6, 1, 192)),
        ("6.12.117+deb12-amd64", (6, 12, 117)),
        ("5.14.0-427.el9.x86_64", (5, 14, None)),
        ("7.3.4", (7, 3, 4)),
    ],
)
def test_a_release_is_read_from_what_uname_says(text: str, version: tuple[int, int, int | None]) -> None:
    found = Release.parse(text)
    assert (found.major, found.minor, found.patch) == version


@pytest.mark.parametrize("text", ["", "six", "6", "6.", "6.x", "99999.1", "-1"])
def test_what_does_not_begin_with_a_version_is_refused(text: str) -> None:
    with pytest.raises(MachineError, match=r"unknown kernel release .*: it begins with a version, such as 7\.3"):
        Release.parse(text)


def there_in(behaviour: Behaviour, *releases: str) -> list[str]:
    return [release for release in releases if behaviour.applies_to(Release.parse(release))]


def at(release: str) -> Boundary:
    return Boundary(release, "", "", "")


def test_releases_stand_in_their_real_order() -> None:
    behaviour = Behaviour("x", "x", since=at("5.9"), until=at("6.10"))
    assert there_in(behaviour, "4.18", "5.4", "5.8.18", "5.9", "5.10", "6.2", "6.9.12", "6.10-rc1", "6.11", "7.3") == [
        "5.9",
        "5.10",
        "6.2",
        "6.9.12",
    ]


def test_a_behaviour_of_some_releases_in_the_middle_ends() -> None:
    behaviour = Behaviour("x", "x", since=at("6.17"), until=at("7.0"))
    assert there_in(behaviour, "6.16", "6.17", "6.19", "7.0", "7.3") == ["6.17", "6.19"]


def test_a_stable_series_carries_what_was_ported_back_from_a_level_on() -> None:
    behaviour = Behaviour("x", "x", since=at("6.14"), backported=("6.1", "6.12.90"))
    assert there_in(behaviour, "5.15", "6.1.1", "6.6.1", "6.12.89", "6.12.90", "6.12", "6.12.0-4-amd64", "6.13") == [
        "6.1.1",
        "6.12.90",
        "6.12",
        "6.12.0-4-amd64",
    ]


def test_a_stable_series_may_have_ended_it_earlier() -> None:
    assert there_in(Behaviour("x", "x", until=at("6.8"), dropped=("6.1",)), "5.10", "6.1.192", "6.6", "6.8") == [
        "5.10",
        "6.6",
    ]


def test_a_distribution_may_have_what_mainline_never_had() -> None:
    behaviour = Behaviour("x", "x", mainline=False, backported=("5.14.*.el9*", "*+deb12-*"))
    assert there_in(behaviour, "5.14", "5.14.0-427.el9.x86_64", "6.12.117", "6.12.117+deb12-amd64", "7.3") == [
        "5.14.0-427.el9.x86_64",
        "6.12.117+deb12-amd64",
    ]


def test_a_behaviour_may_belong_to_some_architectures_and_options_only() -> None:
    behaviour = Behaviour("x", "x", arches=("s390",), options=("CXL_REGION", "DAX"))
    config = {"CXL_REGION": "m", "DAX": "y"}
    assert Kernel("6.1", "s390", config=config).has(behaviour)
    assert not Kernel("6.1", "other", config=config).has(behaviour)
    assert not Kernel("6.1", "s390", config=config | {"DAX": "n"}).has(behaviour)


def test_what_is_older_or_newer_than_what_is_known_stands_for_the_nearer_end() -> None:
    assert [Release.parse(text).nearest for text in ("4.18", "5.4.1", "5.15", "7.3.4", "9.9")] == [
        "5.4",
        "5.4",
        "5.15",
        "7.3",
        "7.3",
    ]


def test_kernels_that_were_asked_different_things_are_equal() -> None:
    asked, other = Kernel("6.1", "s390"), Kernel("6.1", "s390")
    asked.has(Behaviour("x", "x"))
    assert (asked, hash(asked)) == (other, hash(other))


@pytest.mark.parametrize(
    ("text", "release", "reached"),
    [
        ("6.12.107", "6.12.117", False),
        ("6.12.117", "6.12.117", True),
        ("6.12", "6.12.117", True),
        ("6.1.0-56-amd64", "6.1.192", True),
        ("6.11.200", "6.12.117", False),
        ("6.13", "6.12.117", True),
        ("6.12.1", "6.12", True),
    ],
)
def test_a_release_reaches_a_level_of_its_series_or_an_older_one(text: str, release: str, reached: bool) -> None:
    assert Release.parse(text).reaches(release) is reached
