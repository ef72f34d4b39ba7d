"""The program: ``softreserve`` and ``python -m softreserve``."""

import gc
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # What `python -m` puts first is the current directory: whatever lies there is no module or plugin of ours.
    del sys.path[0]

__all__ = ["run"]

#: New objects between two collections. Imports and a boot make tens of thousands that stay; looking for garbage among
#: them again and again, as Python's default of 700 does, takes a sixth of a short command's time.
_GC_THRESHOLD = 100_000

_INTERRUPTED = 130


def run() -> None:
    """Carry out the command of ``sys.argv`` and end the process with its exit code."""
    gc.set_threshold(_GC_THRESHOLD)
    try:
        from softreserve.cli import main  # the imports are most of what there is to save

        status = main()
    except KeyboardInterrupt:  # so early that the command line could not see to it
        status = _INTERRUPTED
    gc.freeze()  # the process ends: the last collection need not look at anything
    sys.exit(status)


if __name__ == "__main__":
    run()
