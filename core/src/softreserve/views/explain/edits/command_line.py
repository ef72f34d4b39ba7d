"""Words of the command line: one more, one less, or another in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from softreserve.config.changes import EFI_WORDS
from softreserve.model.cmdline import CommandLine, next_arg
from softreserve.model.e820 import RAM, SOFT_RESERVED
from softreserve.views.explain.edits.change import Change, Place

__all__ = ["changes"]

#: Words of ``efi=`` that say something of memory.
_EFI: Final = ("nosoftreserve", "noruntime")
#: Words whose value is a list, each part of which may go by itself.
_LISTS: Final = ("efi", "initcall_blacklist", "modprobe.blacklist", "module_blacklist")
#: Words that may change what memory is. What a kernel does not know makes no difference, and is not told.
_WORDS: Final = (
    "memhp_default_state=offline",
    "memhp_default_state=online",
    "memhp_default_state=online_kernel",
    "memhp_default_state=online_movable",
    "noefi",
    "add_efi_memmap",
    "numa=off",
    "numa=noacpi",
    "numa=nohmat",
    "acpi=off",
    "movable_node",
    "kernelcore=mirror",
    "nokaslr",
    "memory_hotplug.memmap_on_memory=1",
    "memory_hotplug.online_policy=auto-movable",
)
#: Values that a switch of a module may have.
_SWITCHED: Final = ("1", "0")


def changes(place: Place) -> Iterator[Change]:
    """Each word left out, then each word that may matter, then those that name the subject's memory.

    What words do that the EFI code reads cannot be known without the firmware's map.
    """
    for word, change in _all(place):
        if place.map_known or CommandLine(word).parameters[0].name not in EFI_WORDS:
            yield change


def _all(place: Place) -> Iterator[tuple[str, Change]]:
    """Changes, each with the word that it is about."""
    cmdline = place.machine.cmdline
    spans = list(_spans(cmdline.text))
    for start, end in spans:
        word = cmdline.text[start:end]
        yield word, _whole(place, f"without {word}", _replaced(cmdline.text, start, end, ""))
        name, _, value = word.partition("=")
        if name in _LISTS and "," in value:
            for part in value.split(","):
                shorter = f"{name}=" + ",".join(other for other in value.split(",") if other != part)
                yield word, _whole(place, f"{name}= without {part}", _replaced(cmdline.text, start, end, shorter))
    given = {cmdline.text[start:end] for start, end in spans}
    efi = next(((start, end) for start, end in reversed(spans) if cmdline.text[start:end].startswith("efi=")), None)
    for name in _EFI:
        if efi is None:
            yield "efi", _one_more(place, f"efi={name}")
        elif name not in (word := cmdline.text[slice(*efi)]).removeprefix("efi=").split(","):
            yield (
                word,
                _whole(place, f"{word},{name} in place of {word}", _replaced(cmdline.text, *efi, f"{word},{name}")),
            )
    for word in (*_WORDS, *_of_modules(place), *_of_places(place)):
        if word not in given:
            yield word, _one_more(place, word)


def _of_modules(place: Place) -> Iterator[str]:
    """Switches of the modules that the machine has."""
    modules = place.system.modules
    for name in modules.names():
        module = modules.get(name)
        for parameter in module.parameters if module is not None else ():
            yield from (f"{name}.{parameter.name}={value}" for value in _SWITCHED)


def _of_places(place: Place) -> Iterator[str]:
    """Words that cut memory off, or say what it is."""
    for piece in place.pieces:
        start, size = f"{piece.start:#x}", f"{piece.size:#x}"
        yield f"memmap={size}%{start}-{RAM}+{SOFT_RESERVED:#x}"
        yield f"memmap={size}%{start}-{SOFT_RESERVED:#x}+{RAM}"
        yield f"efi_fake_mem={size}@{start}:0x40000"
        yield f"memmap={size}${start}"
        yield f"memmap={size}!{start}"
        yield f"memmap={size}@{start}"
        yield f"mem={start}"


def _one_more(place: Place, word: str) -> Change:
    cmdline = place.machine.cmdline
    if cmdline.appended(word).parameters == cmdline.parameters:  # behind --, where words are for init
        start = next(start for start, end in _spans(cmdline.text, stop=False) if cmdline.text[start:end] == "--")
        return _whole(place, word, f"{cmdline.text[:start]}{word} {cmdline.text[start:]}")
    machine = attrs.evolve(place.machine, cmdline=cmdline.appended(word))
    return Change("command line", word, machine, ("--cmdline", f"+{word}"))


def _whole(place: Place, words: str, text: str) -> Change:
    machine = attrs.evolve(place.machine, cmdline=CommandLine(text))
    return Change("command line", words, machine, ("--cmdline", text))


def _replaced(text: str, start: int, end: int, word: str) -> str:
    """A command line with another word, or none, in a place."""
    if word:
        return text[:start] + word + text[end:]
    return (text[:start].rstrip() + " " + text[end:].lstrip()).strip()


def _spans(text: str, *, stop: bool = True) -> Iterator[tuple[int, int]]:
    """Where each word stands, its quotes included; not behind ``--``, unless asked not to stop."""
    rest = text.lstrip()
    while rest:
        at = len(text) - len(rest)
        parameter, following = next_arg(rest)
        if stop and parameter.name == "--" and parameter.value is None:
            return
        word = rest[: len(rest) - len(following)].rstrip()
        yield at, at + len(word)
        rest = following
