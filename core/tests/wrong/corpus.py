"""All rows; importing this makes them."""

from __future__ import annotations

from typing import Final

from wrong import ROWS, answers, architectures, callbacks, extensions, inputs, packaging, process, raising, ranges

__all__ = ["KIT", "ROWS", "UNTOLD"]

_MODULES = (answers, architectures, callbacks, extensions, inputs, packaging, process, raising, ranges)

#: Rows that no test of the commands holds: they are told in other words, or with another exit code.
UNTOLD: Final = frozenset(
    {
        "arches-entry-elsewhere",  # 2: no plugin boots the architecture, because of such an entry
        "arches-entry-to-an-attribute",
        "declares-an-empty-name",
        "entry-is-empty",
        "initcall-raises-machine-error",  # 2: so a kernel says that it dies
        "next-machine-unmarks",  # 1: the crossing tells what was lost
        "segments-in-specific-purpose-memory",
    }
)

#: Rows that the kit is held against: some of every kind of plugin and of every hook, and quick ones.
KIT: Final = """
    a-generator-function added-errno added-misspelt answer-lies-about-its-class answer-raises-when-compared
    arch-info-is-a-dict arch-info-raises bar-beyond bar-inverted block-size-at-random block-size-elsewhere
    block-size-is-a-fraction boots-from-e820-without-one capacity-is-a-pair capacity-memory-outside-of-the-device
    capacity-outside changes-the-kernel claimed-is-empty claimed-is-true claims-by-a-huge-text cli-ends cli-raises
    command-raises deletes-an-attribute driver-match-always-is-text driver-module-is-none driver-module-with-dash
    driver-probe-raises driver-remove-answers early-reserve-elsewhere emitter-lines-is-text emitter-name-empty
    emitter-answers-numbers handoff-counts-wrong handoff-of-broken-entries hardware-loses-memory ignores-mem-min
    image-hears-no-seed image-is-not-reserved image-parts-unknown importer-alone
    importer-reads-something-else-every-time importer-takes-nothing initcall-answers initcall-level-is-text
    initcall-of-a-folder lint-adds-nodes lint-changes-the-outcome lint-range-beyond-the-machine
    load-answers-for-everybody load-overwrites log-marks-match-everything mem-is-not-heard memory-of-negative-size
    next-machine-forgets-acpi next-machine-forgets-the-command-line node-below-zero node-beyond
    node-online-but-impossible numa-answers-elsewhere numa-answers-false offer-inverted offer-is-a-pair
    offer-negative placement-is-a-number policies-of-one-name prepare-takes-one processors-on-no-node
    raises-assertion raises-click-abort raises-click-usage-error raises-config-error raises-exception-group
    raises-machine-error raises-no-words raises-soft-reserve-error raises-stop-iteration raises-str-exits
    raises-system-exit ram-with-a-float resources-elsewhere resources-raise section-kind-can-be-changed
    section-kind-is-a-dict section-kind-is-an-instance srat-is-not-heard status-is-no-status
    writes-files
    """.split()  # noqa: SIM905 - names
