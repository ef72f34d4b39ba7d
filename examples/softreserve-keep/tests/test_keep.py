"""What the next kernel knows, with kexec-tools as they are and with the policy."""

from __future__ import annotations

import pytest
import softreserve as sr
from softreserve.testing.bases import BaseKexec, BasePlugin

SP = (4 * sr.GiB, 6 * sr.GiB - 1)


def following(policy: str, release: str) -> sr.System:
    system = sr.boot(sr.load("example:two-node", kernel=release), plugins=["keep"])
    image = sr.kexec(system, sr.KexecRequest("kexec_load", policy=policy))
    return sr.boot(image.machine, plugins=["keep"])


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_the_next_kernel_soft_reserves_what_this_one_did(release: str) -> None:
    assert not list(following("default", release).find_soft_reserved())
    (found,) = following("keep", release).find_soft_reserved()
    assert (found.start, found.end) == SP


def test_what_is_reserved_for_other_reasons_stays_so() -> None:
    with_it, without = (following(policy, "6.12").machine.e820 or () for policy in ("keep", "default"))
    assert [entry.start for entry, other in zip(with_it, without, strict=True) if entry != other] == [SP[0]]


class Mine:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "keep"


class TestPlugin(Mine, BasePlugin):
    pass


class TestKexec(Mine, BaseKexec):
    pass
