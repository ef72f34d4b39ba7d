"""What a fleet costs beside the work on its machines."""

from __future__ import annotations

from pathlib import Path

from fleet_parent import ASKED, AtOnce, gone_through, machines
from ratios import Ratios, timed
from softreserve.cli.fleet.work import answered

_COUNT = 10


def test_handing_out_the_work_is_nothing_beside_the_work(ratios: Ratios, tmp_path: Path) -> None:
    """So that as many workers as one likes are busy: a hundredth keeps fifty of them so."""
    parcels = [*machines(_COUNT)]
    workers = AtOnce(parcels[0], answered(parcels[0].digest, parcels[0], ASKED))
    ratios.check(
        "fleet: what the parent does of 10 machines x 2 questions",
        timed(lambda: gone_through(_COUNT, str(tmp_path), workers)),
        timed(lambda: [answered(one.digest, one, ASKED) for one in parcels]),
        bound=0.016,
        rounds=3,
    )
