"""Unmodified Debian programs on emulated machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hosts import Host, booted, need, unavailable
from softreserve.live.fuse import FuseError
from softreserve.live.record import Recorder
from softreserve.live.shell import Session, SessionError

Hosts = Callable[..., Host]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Makes hosts: ``hosts("example:two-node", "6.1", modules="dax_hmem device_dax", cmdline="...")``."""
    with ExitStack() as stack:

        def make(
            spec: str,
            release: str | None = None,
            *,
            modules: str = "",
            cmdline: str = "",
            recorder: Recorder | None = None,
        ) -> Host:
            system = booted(spec, release, cmdline)
            for module in modules.split():
                assert system.modules.load(module) == 0
            try:
                session = Session(system, recorder=recorder)
            except (FuseError, SessionError) as error:
                unavailable(str(error))
                raise
            return Host(stack.enter_context(session))

        yield make


@pytest.fixture
def old(hosts: Hosts) -> Host:
    """2 GiB of specific purpose memory on Linux 6.1: a devdax device of the whole region."""
    need("daxctl")
    return hosts("example:two-node", "6.1.0-56-amd64", modules="dax_hmem device_dax kmem")


@pytest.fixture
def new(hosts: Hosts) -> Host:
    """The same on Linux 6.12, whose hmem devices go to kmem when that is loaded; nothing is onlined by the kernel."""
    need("daxctl")
    modules = "dax_hmem device_dax kmem"
    return hosts("example:two-node", modules=modules, cmdline="memhp_default_state=offline")
