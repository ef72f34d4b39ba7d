"""What runs after the kernel, by name; what each does stands in :mod:`softreserve.model.online_rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from softreserve.model import value

if TYPE_CHECKING:
    from softreserve.model.daxctl_conf import DaxctlSection

__all__ = ["USERSPACES", "Userspace", "UserspaceFacts", "Virt"]

#: What has run after the kernel: nothing yet, or udev, which loads the modules of the devices that are there; or udev
#: with the rules of a distribution.
Userspace = Literal[
    "none",
    "udev",
    "systemd",
    "debian",
    "ubuntu",
    "fedora",
    "rhel8",
    "rhel9",
    "rhel10",
    "sles15",
    "sles16",
    "opensuse",
]
USERSPACES: Final[tuple[Userspace, ...]] = get_args(Userspace)

#: What virtualizes a machine, as ``systemd-detect-virt`` says it; ``vm``: something does.
Virt = Literal["none", "vm", "kvm", "qemu", "microsoft", "xen", "vmware", "amazon", "google", "oracle"]


@value.frozen
class UserspaceFacts:
    """What a machine's description says of its user space.

    :param policy: which one it is; ``None``: it does not say.
    :param virt: what virtualizes the machine; ``None``: as the processor says.
    :param daxctl: sections of daxctl's configuration; ``None``: nobody said anything of it.
    """

    policy: Userspace | None = None
    virt: Virt | None = None
    daxctl: tuple[DaxctlSection, ...] | None = None

    def wanted(self, asked: Userspace | None = None) -> Userspace:
        """The user space that somebody asked for, that the description names, or that most machines have."""
        return asked or self.policy or "udev"
