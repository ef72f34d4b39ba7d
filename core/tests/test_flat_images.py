"""Where flat images and what comes with them are loaded to, and what architectures may say that is their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import softreserve as sr
from softreserve.kernel.early_param import MemoryLimit
from softreserve.kernel.mm.memblock_resources import kernel_resources, request_standard_resources
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.testing.booting import boot_with
from softreserve.testing.machines import descriptor, sample_machine
from softreserve.testing.toy import TOY, ToyArch

KIB, MIB, GIB = sr.KiB, sr.MiB, sr.GiB


def booted() -> sr.System:
    """RAM below 1 GiB, with the running kernel in it, and from 4 to 5 GiB."""
    return boot_with(ToyArch(), sample_machine(TOY, above=(descriptor(4 * GIB, GIB),)))


def request(syscall: str, kernel: int = 48 * MIB, initrd: int = 8 * MIB) -> sr.KexecRequest:
    return sr.KexecRequest(syscall=syscall, kernel_size=kernel, initrd_size=initrd)


def places(image: sr.KexecImage) -> dict[str, int]:
    return {segment.what: segment.range.start for segment in image.segments}


def test_from_the_top_the_tool_puts_the_initrd_last_and_the_device_tree_below_it() -> None:
    image = sr.image_load(booted(), request("kexec_load"), top_down=True, says=("a", "b"))
    found = places(image)
    assert (found["initrd"], found["device tree"]) == (5 * GIB - 8 * MIB, 5 * GIB - 8 * MIB - 4 * KIB)
    assert found["kernel"] < GIB
    assert image.output == ("a", "b")


def test_from_the_top_the_kernel_puts_purgatory_last() -> None:
    found = places(sr.image_file_load(booted(), request("kexec_file_load"), top_down=True))
    assert found["purgatory"] == 5 * GIB - 36 * KIB
    assert found["initrd"] == found["purgatory"] - 8 * MIB
    assert found["device tree"] == found["initrd"] - 4 * KIB
    assert found["kernel"] < GIB


def test_from_the_top_there_need_be_no_initrd() -> None:
    tool = places(sr.image_load(booted(), request("kexec_load", initrd=0), top_down=True))
    assert set(tool) == {"kernel", "device tree"}
    own = places(sr.image_file_load(booted(), request("kexec_file_load", initrd=0), top_down=True))
    assert set(own) == {"kernel", "purgatory", "device tree"}


@pytest.mark.parametrize("load", [sr.image_load, sr.image_file_load], ids=["kexec_load", "kexec_file_load"])
def test_what_fits_nowhere_is_not_loaded(load: Callable[..., sr.KexecImage]) -> None:
    image = load(booted(), request("kexec_load", kernel=8 * GIB), top_down=True)
    assert (image.status, image.segments) == (255, ())


@pytest.mark.parametrize(
    ("most", "words", "limit"),
    [
        (None, ["3G", "1G", "2G"], 2 * GIB),
        (8 * GIB, ["3G", "1G", "2G"], GIB),
        (8 * GIB, ["9G"], 8 * GIB),
        (8 * GIB, [], 8 * GIB),
        (None, [], None),
    ],
)
def test_of_several_limits_the_last_counts_or_the_least(most: int | None, words: list[str], limit: int | None) -> None:
    found = MemoryLimit(Kernel("6.12", TOY), EventLog(), "init.c", most)
    assert {found.early_mem(word) for word in words} <= {0}
    assert found.limit == limit


def test_the_image_may_be_one_resource_and_what_is_not_mapped_may_be_called_otherwise() -> None:
    system = booted()
    image = system.machine.image
    whole, *parts = kernel_resources(image, ("code", "data"), whole=True)
    assert image.span is not None
    assert (whole.name, whole.start, whole.end) == ("Kernel image", image.span.start, image.span.end - 1)
    assert [part.name for part in parts] == ["Kernel code", "Kernel data"]
    assert kernel_resources(sr.KernelImage(), ("code",), whole=True) == []
    tree = type(system.iomem)(system.log)
    system.memblock.mark_nomap(4 * GIB, MIB)
    request_standard_resources(tree, system.memblock, [], "setup.c", "Reserved")
    assert (4 * GIB, 4 * GIB + MIB - 1) in [(r.start, r.end) for r in tree.find("Reserved")]
