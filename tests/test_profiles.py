"""Whose kernel a release is, what such kernels have unlike mainline, and that any of them boots.

What distributions have unlike was read from their configurations and sources; the file of profiles says which.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_machines import ARCHES, ARM64, X86, need, settled
from softreserve.cli import main
from softreserve.config import load
from softreserve.config.builds import built, default_config, rebuilt
from softreserve.config.changes import Changes
from softreserve.config.distributions import distributions
from softreserve.config.log import parse_log
from softreserve.config.profiles import GROUP, profile_of, profiles
from softreserve.model.kernel import Kernel
from softreserve.model.profile import UNKNOWN, Profile, matching
from softreserve.model.release import NEWEST, OLDEST, Release
from softreserve.model.scenario import Scenario
from softreserve.plugins.behaviours import behaviours
from softreserve.plugins.selection import Selection

#: As ``uname -r`` gives them, and what is said of them.
RELEASES = {
    "5.14.0-427.13.1.el9_4.x86_64": "RHEL 9.4",
    "5.14.0-480.el9.aarch64+64k": "RHEL 9.4",
    "5.14.0-39.el9.x86_64": "RHEL 9.0",
    "5.14.0-999.el9.x86_64": "RHEL 9.6",
    "4.18.0-553.el8_10.x86_64": "RHEL 8.10",
    "6.12.0-55.9.1.el10_0.x86_64": "RHEL 10.0",
    "6.1.0-18-amd64": "Debian",
    "6.1.0-0.deb11.5-cloud-amd64": "Debian",
    "6.10.11-amd64": "Debian",
    "6.12.43+deb13-amd64": "Debian",
    "6.12.107+deb13-arm64-16k": "Debian",
    "6.17.4-300.fc43.x86_64": "Fedora from 6.15 on",
    "4.18.0-80.el8.x86_64": "RHEL 8.1",
    "6.8.12-4-pve": "Proxmox VE 6.8",
    "5.4.0-1092-gcp": "Ubuntu up to 5.4",
    "5.15.0-91-generic": "Ubuntu 5.5 to 5.18",
    "6.8.0-1009-aws": "Ubuntu 5.19 to 6.13",
    "6.11.0-1007-oem": "Ubuntu 5.19 to 6.13",
    "6.8.0-1021-nvidia-64k": "Ubuntu 5.19 to 6.13",
    "6.14.4-061404-generic": "Ubuntu from 6.14 on",
    "5.5.0-050500rc3-generic": "Ubuntu 5.5 to 5.18",
    "6.14.0-0.rc7.20250318git76b6905c11fd.57.fc43.x86_64": "Fedora 6.14",
    "5.6.6-300.fc32.x86_64": "Fedora up to 6.1",
    "6.14.0-24-generic": "Ubuntu from 6.14 on",
    "5.3.18-150300.59.90-default": "SLES 15 SP3",
    "6.17.7-1-default": "openSUSE Tumbleweed",
    "6.1.109-118.189.amzn2023.x86_64": "Amazon Linux 2023",
    "5.10.75-79.358.amzn2.x86_64": "Amazon Linux 2",
    "5.15.0-300.163.18.el9uek.x86_64": "Oracle UEK 7",
    "6.6.104.2-4.azl3": "Azure Linux 3",
    "6.12.6-talos": "Talos",
    "6.1.96-flatcar": "Flatcar",
    "6.6.74-android15": "Android 15",
    "6.2.1-arch1-1": "Arch up to 6.13",
    "6.16.1-arch1-1": "Arch from 6.14 on",
    "5.14.21-150500.55.19-default": "",
    "6.4.0-150600.23.17-default": "",
    "6.12.0-160000.5-default": "",
    "5.15.167.4-microsoft-standard-WSL2": "WSL 2",
    "6.6.87.2-microsoft-standard-WSL2": "",
    "6.12.17-cloud": "",
    "6.12.16-gentoo": "",
    "6.6.0+": "",
    "6.19.0-next-20260101": "",
    "3.10.0-1160.el7.x86_64": "",
    "7.0.0-rc2": "mainline",
    "6.12": "mainline",
    "v6.1-rc3": "mainline",
}


@pytest.mark.parametrize(("release", "name"), RELEASES.items())
def test_a_release_is_known_by_how_it_looks(release: str, name: str) -> None:
    assert profile_of(release).name == name


LINES = [
    "4.18",
    *(f"5.{minor}" for minor in range(4, 20)),
    *(f"6.{minor}" for minor in range(20)),
    *(f"7.{minor}" for minor in range(4)),
]


@pytest.mark.parametrize("release", [*LINES, *RELEASES])
def test_any_release_boots(release: str) -> None:
    described = load("example:two-node").machine
    for arch in ARCHES:
        changed = Changes(arch=arch, kernel=release).apply(Scenario(described), Selection()).machine
        assert settled(changed).iomem.lines(), arch


LOG = """\
[    0.000000] Linux version {release} (x@y) (gcc) #1 SMP
[    0.000000] Command line: quiet
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] {ram}
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] {ram}
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000013fffffff] soft reserved
[    0.100000] smp: Brought up 1 node, 4 CPUs
"""


def log(release: str, ram: str = "usable") -> str:
    return LOG.format(release=release, ram=ram)


@pytest.mark.parametrize(
    ("release", "ram"), [("5.14.0-427.13.1.el9_4.x86_64", "usable"), ("7.2.4-200.fc44.x86_64", " System RAM")]
)
def test_a_log_of_a_distribution_boots_under_every_release(release: str, ram: str) -> None:
    if X86 not in ARCHES:
        pytest.skip("needs the x86 plugin: pip install ./plugins/x86")
    scenario = parse_log(log(release, ram))
    for line in LINES:
        system = settled(Changes(kernel=line).apply(scenario, Selection()).machine)
        assert any("System RAM" in text for text in system.iomem.lines()), line


def test_how_well_a_kernel_is_known_is_said() -> None:
    assert {release: built(release, "any").words for release in WORDS} == WORDS


WORDS = {
    "6.12.43+deb13-amd64": "Debian profile (mainline 6.12; recorded by boots)",
    "5.10.0-1-amd64": "Debian profile (mainline 5.10; from sources)",
    "6.12": "mainline 6.12, Debian's options (recorded by boots)",
    "5.15": "mainline 5.15, Debian's options (from sources)",
    "4.18": "mainline 4.18 taken for 5.4, Debian's options (nearest only)",
    "7.9": "mainline 7.9 taken for 7.3, Debian's options (nearest only)",
    "6.12.16-gentoo": "no profile (mainline 6.12, Debian's options; nearest only)",
    "6.17.4-300.fc43.x86_64": "Fedora from 6.15 on profile (mainline 6.17; from sources)",
}


def test_a_kernel_with_options_of_its_own_has_nobody_elses() -> None:
    assert built("6.12", "any", options={"NUMA": "y"}, whole=True).words == "mainline 6.12 (recorded by boots)"


@pytest.mark.parametrize("profile", distributions(), ids=lambda profile: profile.name)
def test_what_a_profile_says_is_about_behaviours_that_there_are(profile: Profile) -> None:
    known = {behaviour.name: behaviour for found in behaviours().values() for behaviour in found}
    assert profile.evidence
    assert profile.options is not None
    if {"x86", "hmem", "arm64", "cxl"} <= set(behaviours()) and profile.has | profile.lacks:
        assert profile.has | profile.lacks <= set(known)
        release = Release.parse(profile.matches.pattern.replace(r"(\d+)", str(profile.build)).replace("\\", ""))
        assert not [name for name in profile.has if known[name].applies_to(release)], "as its release has it"
        assert not [name for name in profile.lacks if not known[name].applies_to(release)], "as its release lacks it"


def test_the_kernel_option_names_a_release_and_its_builder() -> None:
    """A bare version is mainline's with Debian's options, whatever ran before."""
    red_hat = built("5.14.0-427.13.1.el9_4.x86_64", X86)
    assert red_hat.config["CXL_BUS"] == "m"
    assert rebuilt(red_hat, release="6.12").config == default_config(X86, "6.12")
    assert rebuilt(red_hat, release="6.12").words == WORDS["6.12"]
    assert rebuilt(red_hat, release="5.14").config["CXL_BUS"] == "y"
    assert rebuilt(built("6.12", X86), release="5.14.0-427.el9_4.x86_64").words == red_hat.words


def test_a_kernel_of_large_pages_has_options_of_its_own() -> None:
    need(ARM64)
    release = "5.14.0-427.13.1.el9_4.aarch64"
    small, large = (built(release, ARM64, size).config for size in (4096, 65536))
    assert (small["ARM64_PA_BITS"], large["ARM64_PA_BITS"]) == (48, 52)


def test_the_nearest_build_from_below_counts() -> None:
    ten, twenty = (Profile(str(number), r"1\.0-(\d+)\.x", build=number) for number in (10, 20))
    for release, name in [("1.0-9.x", "10"), ("1.0-10.x", "10"), ("1.0-19.x", "10"), ("1.0-99.x", "20")]:
        for order in ((ten, twenty), (twenty, ten)):
            found = matching(release, order)
            assert found is not None
            assert found.name == name
    assert matching("1.0-9.y", (ten, twenty)) is None


def test_a_plugins_profile_comes_before_what_is_known_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme.py").write_text(
        "from softreserve.model.profile import Profile\n"
        "ACME = Profile('Acme', r'.*\\.acme', options={'': {'NUMA': 'n'}}, has=['memory-tiers'], evidence='x')\n"
    )
    (tmp_path / "acme-1.dist-info").mkdir()
    (tmp_path / "acme-1.dist-info" / "entry_points.txt").write_text(f"[{GROUP}]\nacme = acme\n")
    assert profile_of("5.15.1.acme") is UNKNOWN
    monkeypatch.syspath_prepend(tmp_path)
    kernel = built("5.15.1.acme", "any")
    assert (kernel.profile.name, kernel.config["NUMA"]) == ("Acme", "n")
    assert kernel.words == "Acme profile (mainline 5.15 + known backports; from sources)"
    assert "Acme" in [profile.name for profile in profiles()]
    has = {behaviour.name: behaviour for found in behaviours().values() for behaviour in found}
    if "memory-tiers" in has:
        assert kernel.has(has["memory-tiers"])
        assert not Kernel("5.15.1.acme", "any").has(has["memory-tiers"])


def test_a_configuration_is_only_missing_where_nobody_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    if X86 not in ARCHES:
        pytest.skip("needs the x86 plugin: pip install ./plugins/x86")
    for release, lacks in [("5.14.0-427.el9.x86_64", False), ("6.1.0-18-amd64", False), ("6.12.17-cloud", True)]:
        missing = [gap.missing for gap in parse_log(log(release)).gaps]
        assert ("the kernel's configuration" in missing) is lacks, release


@pytest.mark.parametrize("command", ["boot", "lint", "explain"])
def test_the_answer_names_the_profile(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if X86 not in ARCHES:
        pytest.skip("needs the x86 plugin: pip install ./plugins/x86")
    path = tmp_path / "log"
    path.write_text(log("4.18.0-553.el8_10.x86_64"))
    words = [command, str(path), *(["1M"] if command == "explain" else [])]
    main(words)
    assert "RHEL 8.10 profile (mainline 4.18 taken for 5.4" in capsys.readouterr().out.splitlines()[0]
    main([*words, "--json"])
    kernel = json.loads(capsys.readouterr().out)["kernel"]
    assert kernel["release"] == "4.18.0-553.el8_10.x86_64"
    assert (kernel["profile"], kernel["base"], kernel["known"]) == ("RHEL 8.10", OLDEST, "sources")
    main([*words, "--kernel", "7.9", "--json"])
    kernel = json.loads(capsys.readouterr().out)["kernel"]
    assert (kernel["profile"], kernel["base"], kernel["known"]) == ("mainline", NEWEST, "nearest")


@pytest.mark.parametrize(
    ("release", "kept"),
    [
        ("4.18.0-348.el8.x86_64", [160 << 20]),
        ("4.18.0-553.el8_10.x86_64", [192 << 20]),
        ("5.14.0-427.el9_4.x86_64", []),
    ],
)
def test_red_hats_kernels_of_8_know_crashkernel_auto(release: str, kept: list[int]) -> None:
    """2 GiB of RAM are of 1G-4G: 160M, and 192M from 8.8 on."""
    if X86 not in ARCHES:
        pytest.skip("needs the x86 plugin: pip install ./plugins/x86")
    scenario = parse_log(log(release).replace("quiet", "crashkernel=auto"))
    system = settled(scenario.machine)
    assert [resource.size for _, resource in system.iomem.walk() if resource.name == "Crash kernel"] == kept
    said = "Using crashkernel=auto, the size chosen is a best effort estimation."
    assert (said in system.log.lines) is bool(kept)


def test_the_dax_bus_of_rhel_9_4_gives_kmem_its_devices() -> None:
    """What its source has: drivers match devices by their type, as from 6.3 on; ranges still get devices at boot."""
    if X86 not in ARCHES:
        pytest.skip("needs the x86 plugin: pip install ./plugins/x86")
    described = Scenario(load("example:two-node").machine)
    for release, taken in [("5.14.0-362.el9_3.x86_64", False), ("5.14.0-427.el9_4.x86_64", True)]:
        lines = settled(Changes(kernel=release).apply(described, Selection()).machine).iomem.lines()
        assert any(line.endswith(" : hmem.0") for line in lines), release
        assert any(line.endswith(" : System RAM (kmem)") for line in lines) is taken, release


#: Levels of stable series that were read, and the last known before; what the change was is in the behaviours.
LEVELS = [
    ("efi-hot-pluggable", "6.1.0-rc3", "6.1.141"),
    ("efi-stub-decompresses", "6.1.55", "6.1.141"),
    ("region-intersects-looks-below", "6.1.55", "6.1.141"),
    ("efi-soft-reserved-nomap", "6.1.141", "6.1.55"),
    ("efi-soft-reserved-nomap", "5.15.167", "5.15.148"),
    ("efi-soft-reserved-size-is-int", "5.15.167", "5.15.148"),
    ("arm64-zone-dma-of-1-gib", "5.10.35", "5.10.7"),
    ("unavailable-pages-zeroed", "5.10.35", "5.10.7"),
    ("arm64-head-is-not-code", "6.12.117", "6.14"),
]


@pytest.mark.parametrize(("name", "without", "with_it"), LEVELS)
def test_backports_came_with_a_level(name: str, without: str, with_it: str) -> None:
    known = {behaviour.name: behaviour for found in behaviours().values() for behaviour in found}
    if name not in known:
        pytest.skip("needs all wheels: pip install ./plugins/x86 ./plugins/arm64 ./plugins/hmem")
    assert known[name].applies_to(Release.parse(with_it))
    assert not known[name].applies_to(Release.parse(without))


def demotion(release: str) -> list[str]:
    """The lines of a boot that tell of demotion targets, and of RAM buffers, which come between the two steps."""
    if X86 not in ARCHES or "hmem" not in behaviours():
        pytest.skip("needs the x86 and hmem plugins: pip install ./plugins/x86 ./plugins/hmem")
    text = log(release).replace("0x000000007fffffff", "0x000000007fffe3ff")
    lines = settled(parse_log(text).machine).log.lines
    return [line for line in lines if "Demotion" in line or ("RAM buffer" in line and "0x7f" in line)]


@pytest.mark.parametrize(
    ("release", "times"),
    [
        ("6.8", 0),
        ("6.9", 1),
        ("6.10", 2),
        ("6.12", 1),
        ("5.14.0-503.11.1.el9_5.x86_64", 0),
        ("5.14.0-570.el9_6.x86_64", 2),
    ],
)
def test_demotion_targets_were_worked_out_twice_for_a_while(release: str, times: int) -> None:
    """A log of RHEL 9.6 has them twice; its source is that of 6.10."""
    assert demotion(release).count("Demotion targets for Node 0: null") == times


def test_tiers_came_early_and_come_at_the_end_of_boot() -> None:
    for release, first in [("6.9", "Demotion"), ("6.12", "e820")]:
        assert demotion(release)[0].startswith(first), release


@pytest.mark.parametrize(
    ("release", "reaches"),
    [
        ("6.14.0-0.rc7.20250318git76b6905c11fd.57.fc43.x86_64", False),
        ("6.14-rc3", False),
        ("6.14.0-rc2", False),
        ("6.14~rc7-amd64", False),
        ("6.14.0-24-generic", True),
        ("6.14.3", True),
        ("6.14.2", False),
        ("6.14", True),
    ],
)
def test_a_candidate_comes_before_all_levels(release: str, reaches: bool) -> None:
    assert Release.parse(release).reaches("6.14.3") is reaches
    assert Release.parse(release).reaches("6.14")


def test_what_a_builder_carried_over_is_a_reason_for_a_difference(capsys: pytest.CaptureFixture[str]) -> None:
    if X86 not in ARCHES or "hmem" not in behaviours():
        pytest.skip("needs the x86 and hmem plugins: pip install ./plugins/x86 ./plugins/hmem")
    old, new = "5.14.0-362.el9_3.x86_64", "5.14.0-427.el9_4.x86_64"
    main(["diff", "example:two-node", "--kernel", f"{old},{new}"])
    out = capsys.readouterr().out
    assert "in this build: a driver takes devices of its type" in out
    assert "no reason that is known" not in out
    main(["diff", "example:two-node", "--kernel", f"{new},{old}"])
    assert "not in this build: a driver takes devices of its type" in capsys.readouterr().out
