"""The table of programs in the documentation: each row is tried again, and must come out as the page says."""

from __future__ import annotations

import os
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import pytest
import wheels
from hosts import unavailable
from softreserve.live.fuse import FuseError
from softreserve.live.shell import SessionError
from softreserve.model.errors import MachineError

pytestmark = [pytest.mark.clients, pytest.mark.fuse, pytest.mark.slow]


def _module() -> ModuleType:
    path = wheels.ROOT / "docs" / "clients.py"
    spec = spec_from_file_location("docs_clients", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLIENTS = _module()


def test_the_page_has_a_row_for_each_trial() -> None:
    rows = [CLIENTS.row(trial, trial.outcome, []) for trial in CLIENTS.TRIALS]
    assert CLIENTS.rows_of(CLIENTS.PAGE.read_text()) == [(name, does, outcome) for name, _, does, outcome in rows]
    assert len({(trial.program, trial.does) for trial in CLIENTS.TRIALS}) == len(CLIENTS.TRIALS)


@pytest.mark.parametrize("trial", CLIENTS.TRIALS, ids=lambda trial: f"{trial.program}: {trial.does}".replace("`", ""))
def test_a_program_does_what_the_page_says(trial: Any) -> None:
    folders = [folder for folder in CLIENTS.folders() if CLIENTS.is_there(trial, folder)]
    if not folders:
        how = f"sh .ci/newer-clients DIR, then {CLIENTS.FOLDER}=DIR/bin" if trial.newer else "apt install, see .ci/run"
        reason = f"needs {trial.program}: {how}"
        # the mirror may not give newer programs
        pytest.skip(reason) if trial.newer and not os.environ.get(CLIENTS.FOLDER) else unavailable(reason)
    for folder in folders:
        try:
            output = CLIENTS.run(trial, folder)
        except (FuseError, SessionError) as error:
            unavailable(str(error))
        except MachineError as error:
            pytest.skip(str(error))
        assert CLIENTS.judge(trial, output) == trial.outcome
