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
    boots-from-e820-without-one capacity-is-a-pair changes-a-descriptor changes-acpi changes-arch-options
    changes-config changes-page-sizes changes-the-command-line changes-the-kernel changes-the-map claimed-is-empty
    claimed-is-true clears-acpi cli-adds-text cli-closes-stdout cpu-on-an-impossible-node declares-an-empty-name
    does-nothing driver-probe-changes-ranges driver-probe-is-a-coroutine emitter-answers-numbers
    emitter-of-the-cores-name entry-is-empty finding-of-text finish-loses-memory handoff-counts-wrong
    handoff-forgets-small-ones handoff-forgets-the-marked handoff-grows handoff-makes-ram handoff-marks
    handoff-moves handoff-of-broken-entries handoff-retypes handoff-shrinks handoff-unmarks handoff-without-a-map
    hook-is-a-value ignores-mem-min image-ignores-the-seed-of-none image-in-specific-purpose-memory
    image-of-few-slots image-slots-in-specific-purpose-memory import-raises-without-words importer-answers-a-dict
    importer-answers-a-lookalike importer-answers-a-path importer-answers-none importer-exits importer-raises
    importer-takes-nothing initcall-answers initcall-raises-machine-error invents-a-gibibyte invents-below-a-hole
    kexec-loaders-is-a-list lane-name-empty lanes-of-one-name lint-range-beyond-the-machine
    load-answers-for-everybody load-overwrites loader-is-no-function loses-a-gibibyte loses-a-page
    loses-all-but-one-descriptor marks-are-ignored marks-ordinary-memory memory-below-zero memory-beyond-64-bits
    memory-of-negative-size memory-on-an-impossible-node memory-unaligned module-depends-on-nothing
    next-machine-boots-by-the-stub next-machine-forgets-acpi next-machine-forgets-the-command-line
    next-machine-has-less-memory next-machine-has-no-map next-machine-unmarks no-hooks no-memory-at-all no-nodes
    no-resources no-segments no-soft-reserved no-zones node-beyond-the-kernels node-is-true node-negative
    node-of-others-memory node-online-but-impossible numa-answers-none offer-of-ram offer-of-text pair-of-lanes
    placement-raises policy-equals-everything raises-str-exits ram-forgotten ram-inverted ram-of-other-size
    replaces-the-plugins resource-overlaps resource-with-a-newline resource-without-a-name resources-unsorted
    runtime-services-are-ram says-something-else-every-time segments-in-specific-purpose-memory sets-cpus-behind
    show-exits show-is-endless-text show-takes-an-argument status-is-positive sysfs-lookup-raises
    sysfs-name-is-a-number sysfs-name-with-a-newline sysfs-name-with-a-slash sysfs-names-raise sysfs-of-text
    sysfs-removes-the-cores two-names updates-config zones-are-negative zones-descend zones-half zones-of-nothing
    """.split()  # noqa: SIM905 - names
)

#: Rows that the kit is held against: some of every kind of plugin and of every hook, and quick ones.
KIT: Final = """
    a-generator-function added-errno added-misspelt answer-lies-about-its-class answer-raises-when-compared
    arch-info-changes arch-info-raises bar-beyond bar-inverted block-size-at-random block-size-elsewhere
    block-size-is-a-fraction capacity-is-a-pair capacity-memory-outside-of-the-device capacity-outside
    claimed-is-empty claimed-is-true claims-by-a-huge-text cli-ends cli-raises deletes-an-attribute
    driver-match-always-is-text driver-module-is-none driver-module-with-dash emitter-lines-is-text
    emitter-name-empty emitter-name-with-spaces handoff-counts-wrong hardware-loses-memory image-areas-is-a-list
    image-parts-unknown importer-alone importer-takes-nothing initcall-level-is-text initcall-of-a-folder
    load-answers-for-everybody load-overwrites node-below-zero node-beyond node-is-text numa-answers-elsewhere
    numa-answers-false offer-inverted offer-is-a-pair offer-negative policies-of-one-name prepare-takes-one
    raises-assertion raises-click-abort raises-click-usage-error raises-config-error raises-exception-group
    raises-machine-error raises-no-words raises-soft-reserve-error raises-stop-iteration raises-str-exits
    raises-system-exit ram-with-a-float resources-elsewhere resources-raise section-kind-can-be-changed
    section-kind-is-a-dict section-kind-is-an-instance
    """.split()  # noqa: SIM905 - names
