"""Memory ranges as the real kexec 2.0.25 listed them for the same lines (worked examples of the dossier)."""

from softreserve.kernel.kexec.ranges import ram_of_iomem


def test_what_is_reserved_is_cut_out_of_ram_and_what_lies_outside_is_ignored() -> None:
    lines = """\
40000000-13fffffff : System RAM
  40210000-41ffffff : Kernel code
  42000000-4251ffff : reserved
  42520000-4290ffff : Kernel data
  48000000-4800ffff : reserved
  13bc00000-13fffffff : reserved
880000000-c7fffffff : Soft Reserved
  880000000-c7fffffff : dax0.0
    880000000-c7fffffff : System RAM (kmem)""".splitlines()
    output: list[str] = []
    assert [f"{r.start:x}-{r.end:x} ({r.type})" for r in ram_of_iomem(lines, output)] == [
        "40000000-41ffffff (0)",
        "42520000-47ffffff (0)",
        "48010000-13bbfffff (0)",
    ]
    assert output[0] == "get_memory_ranges:+[0] 0000000040000000 - 000000013fffffff"
