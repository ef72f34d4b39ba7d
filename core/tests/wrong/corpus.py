"""All rows; importing this makes them."""

from __future__ import annotations

from typing import Final

from wrong import ROWS, answers, architectures, callbacks, extensions, inputs, packaging, process, raising, ranges

__all__ = ["KIT", "ROWS", "UNTOLD"]

_MODULES = (answers, architectures, callbacks, extensions, inputs, packaging, process, raising, ranges)

#: Rows that no test of the commands holds: a command lets them pass, or tells them in other words than the row has.
UNTOLD: Final = frozenset(
    """
    arches-entry-elsewhere arches-entry-to-an-attribute bars-descend block-size-is-huge block-size-passes-for-one
    boots-from-e820-without-one capacity-is-a-pair changes-a-descriptor changes-arch-options changes-page-sizes
    changes-the-command-line changes-the-kernel changes-the-map claimed-is-empty claimed-is-true cli-closes-stdout
    cpu-on-an-impossible-node declares-an-empty-name driver-probe-changes-ranges driver-probe-is-a-coroutine
    emitter-answers-numbers entry-is-empty finding-of-text finish-loses-memory handoff-counts-wrong
    handoff-forgets-the-marked handoff-marks handoff-of-broken-entries handoff-unmarks hook-is-a-value
    ignores-mem-min image-ignores-the-seed-of-none image-in-specific-purpose-memory image-of-few-slots
    image-slots-in-specific-purpose-memory importer-answers-a-dict importer-answers-a-lookalike
    importer-answers-a-path importer-answers-none importer-exits importer-raises importer-takes-nothing
    initcall-answers initcall-raises-machine-error kexec-loaders-is-a-list lint-range-beyond-the-machine
    load-answers-for-everybody load-overwrites loader-is-no-function marks-ordinary-memory memory-beyond-64-bits
    memory-of-negative-size module-depends-on-nothing next-machine-boots-by-the-stub next-machine-forgets-acpi
    next-machine-forgets-the-command-line next-machine-has-less-memory next-machine-has-no-map
    next-machine-unmarks no-hooks no-segments no-soft-reserved node-of-others-memory offer-of-ram placement-raises
    policy-equals-everything raises-str-exits replaces-the-plugins resource-overlaps resource-with-a-newline
    resources-unsorted runtime-services-are-ram segments-in-specific-purpose-memory sets-cpus-behind show-exits
    show-is-endless-text status-is-positive sysfs-lookup-raises sysfs-name-is-a-number sysfs-name-with-a-newline
    sysfs-name-with-a-slash sysfs-names-raise sysfs-of-text sysfs-removes-the-cores two-names zones-are-negative
    zones-descend
    """.split()  # noqa: SIM905 - names
)

#: Rows that the kit is held against: some of every kind of plugin and of every hook, and quick ones.
KIT: Final = """
    a-generator-function added-errno added-misspelt answer-lies-about-its-class answer-raises-when-compared
    arch-info-changes arch-info-raises bar-beyond bar-inverted
    block-size-at-random block-size-elsewhere block-size-is-a-fraction boots-from-e820-without-one
    capacity-is-a-pair capacity-memory-outside-of-the-device capacity-outside changes-the-kernel
    claimed-is-empty claimed-is-true claims-by-a-huge-text cli-ends cli-raises deletes-an-attribute
    driver-match-always-is-text driver-module-is-none driver-module-with-dash driver-probe-changes-ranges
    driver-remove-answers early-reserve-elsewhere emitter-lines-is-text emitter-name-empty emitter-name-with-spaces
    handoff-counts-wrong handoff-of-broken-entries hardware-loses-memory ignores-mem-min image-areas-is-a-list
    image-parts-unknown importer-alone importer-takes-nothing initcall-answers initcall-level-is-text
    initcall-of-a-folder lint-adds-nodes lint-changes-the-outcome lint-range-beyond-the-machine
    load-answers-for-everybody load-overwrites log-marks-match-everything next-machine-forgets-acpi
    next-machine-forgets-the-command-line node-below-zero node-beyond node-is-text numa-answers-elsewhere
    numa-answers-false offer-inverted offer-is-a-pair offer-negative placement-answers-elsewhere
    policies-of-one-name prepare-takes-one raises-assertion raises-click-abort raises-click-usage-error
    raises-config-error raises-exception-group raises-machine-error raises-no-words raises-soft-reserve-error
    raises-stop-iteration raises-str-exits raises-system-exit ram-with-a-float resources-elsewhere resources-raise
    section-kind-can-be-changed section-kind-is-a-dict section-kind-is-an-instance status-is-positive
    """.split()  # noqa: SIM905 - names
