"""What user space does with memory that was added: the udev rules of distributions.

A kernel leaves memory that was added offline, or takes it online itself (``auto_online_blocks``); of blocks that are
offline then, udev rules of distributions decide. What is told of them here are facts, each with where it was read; line
numbers are those of the files that are named.
"""

from __future__ import annotations

from typing import Final

import attrs

from softreserve.model.userspace import Userspace, Virt

__all__ = ["DISTRIBUTIONS", "OnlineRule", "UserSpace", "of_kernel"]


@attrs.frozen
class OnlineRule:
    """A udev rule that writes to ``state`` of memory blocks that were added and are offline.

    :param file: its name below ``/usr/lib/udev/rules.d``.
    :param line: the line that writes.
    :param bare: what it writes where nothing virtualizes the machine; ``""``: nothing. ``virtual``: elsewhere.
    :param only_on: where it acts at all, ; empty: everywhere.
    """

    file: str
    line: int
    bare: str
    virtual: str
    only_on: tuple[Virt, ...] = ()

    def written(self, virt: Virt) -> str:
        """What it writes on a machine that is virtualized so; ``""``: nothing."""
        if self.only_on and virt not in self.only_on:
            return ""
        return self.bare if virt == "none" else self.virtual


@attrs.frozen
class UserSpace:
    """A user space by what it does with added memory.

    :param words: whose it is.
    :param rule: ``None``: it has none.
    :param source: where that was read.
    :param verified: whether the files themselves were read, and not only what they are made of.
    :param kernels: how the names of its kernels' profiles begin; ``None``: no kernel is its alone.
    """

    words: str
    rule: OnlineRule | None
    source: str
    verified: bool = True
    kernels: str | None = None

    @property
    def actions(self) -> tuple[str, str]:
        """What it does on bare metal, and in a virtual machine, in a few words."""
        if self.rule is None:
            return "-", "-"
        where = f" ({', '.join(self.rule.only_on)} only)" if self.rule.only_on else ""
        return self.rule.bare or "-", f"{self.rule.virtual}{where}"


def _red_hat(file: str, line: int) -> OnlineRule:
    return OnlineRule(file, line, "online_movable", "online")


def _suse(line: int) -> OnlineRule:
    return OnlineRule("80-hotplug-cpu-mem.rules", line, "online", "online")


#: Those that are named for whose rules they have.
DISTRIBUTIONS: Final[dict[Userspace, UserSpace]] = {
    "systemd": UserSpace("systemd's own rules", None, "systemd 252, 257, 261 and 262"),
    "debian": UserSpace("Debian 12 to sid", None, "udev 252.39-1~deb12u2, 257.13-1~deb13u1, 262.1-1"),
    "ubuntu": UserSpace(
        "Ubuntu",
        OnlineRule("40-vm-hotadd.rules", 9, "", "online", ("microsoft", "xen")),
        "debian/extra/rules-ubuntu of Debian's systemd 252.39 and 257.13, of which Ubuntu's is made",
        verified=False,
    ),
    "fedora": UserSpace(
        "Fedora", None, "github.com/yuwata/systemd-fedora, a copy of its package's source: systemd 259"
    ),
    "rhel8": UserSpace(
        "RHEL 8.1 to 8.10",
        _red_hat("40-redhat.rules", 14),
        "github.com/redhat-plumbers/systemd-rhel8",
        kernels="RHEL 8",
    ),
    "rhel9": UserSpace(
        "RHEL 9, CentOS Stream 9",
        _red_hat("40-redhat.rules", 21),
        "github.com/redhat-plumbers/systemd-rhel9",
        kernels="RHEL 9",
    ),
    "rhel10": UserSpace(
        "RHEL 10, CentOS Stream 10",
        _red_hat("40-redhat-hotplug.rules", 21),
        "github.com/redhat-plumbers/systemd-rhel10; docs.redhat.com: Managing memory devices",
        kernels="RHEL 10",
    ),
    "sles15": UserSpace(
        "SLES 15 SP6, SP7; SP4 and SP5 in lines 21, 22",
        _suse(20),
        "github.com/openSUSE/suse-module-tools: sles15-sp*",
        kernels="SLES 15",
    ),
    "sles16": UserSpace("SLES 16", _suse(20), "github.com/openSUSE/suse-module-tools: slfo-1.2"),
    "opensuse": UserSpace(
        "openSUSE Tumbleweed", _suse(20), "github.com/openSUSE/suse-module-tools, July 2026", kernels="openSUSE"
    ),
}


def of_kernel(profile: str) -> Userspace | None:
    """The user space that a kernel comes with, by the name of its profile (``RHEL 9.4``); ``None``: nobody says."""
    return next((name for name, one in DISTRIBUTIONS.items() if one.kernels and profile.startswith(one.kernels)), None)
