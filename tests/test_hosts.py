"""Public logs of real hosts, as people put them up: the table in ``docs/hosts.md``, tried.

The logs are other people's, whole and with their names in them; they are not kept here. Who fetches some of them (each
row has its link) into a directory, under the names of the table, names it in ``SOFTRESERVE_HOST_LOGS``.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from softreserve.cli import main
from softreserve.plugins.hooks import installed

MISSING = sorted({"x86", "arm64", "hmem", "cxl"} - set(installed()))
if MISSING:
    pytest.skip(f"not installed here: softreserve-{', softreserve-'.join(MISSING)}", allow_module_level=True)

PAGE = Path(__file__).parents[1] / "docs" / "hosts.md"
LOGS = os.environ.get("SOFTRESERVE_HOST_LOGS")
_ROW = re.compile(
    r"\| (?P<name>[\w-]+) \| (?P<machine>[^|]+) \| (?P<release>\S+) \| (?P<form>[^|]+) \| "
    r"(?P<equal>\d+)/(?P<total>\d+) \| (?P<differs>[^|]*?) ?\| \[log\]\((?P<link>https://\S+)\) \|"
)


class Host(NamedTuple):
    """A row of the table: lines that are equal, and of how many; kinds of lines in which the prediction is wrong."""

    name: str
    release: str
    equal: int
    total: int
    wrong: frozenset[str]
    link: str


def hosts() -> list[Host]:
    """The table."""
    found = filter(None, map(_ROW.fullmatch, PAGE.read_text().splitlines()))
    return [
        Host(
            row["name"],
            row["release"],
            int(row["equal"]),
            int(row["total"]),
            frozenset(re.findall(r"`([^`]+)`", row["differs"])),
            row["link"],
        )
        for row in found
    ]


HOSTS = hosts()


def test_the_table_is_of_hosts_as_unlike_as_there_are() -> None:
    text = PAGE.read_text()
    assert len(HOSTS) == text.count("| [log](") >= 40
    assert len({host.name for host in HOSTS}) == len(HOSTS)
    assert len({host.link for host in HOSTS}) == len(HOSTS)
    assert {host.release.split(".")[0] for host in HOSTS} >= {"4", "5", "6", "7"}
    assert all(host.equal <= host.total and (host.equal < host.total or not host.wrong) for host in HOSTS)
    for kind in frozenset().union(*(host.wrong for host in HOSTS)):
        assert f"- `{kind}`: " in text, "the page says why"


ABSENT = pytest.mark.skip(reason="name a directory with the logs that docs/hosts.md links to in SOFTRESERVE_HOST_LOGS")


@pytest.mark.parametrize("host", HOSTS if LOGS else [pytest.param(HOSTS[0], marks=ABSENT)], ids=lambda host: host.name)
def test_of_a_public_log_as_many_lines_are_predicted_as_the_table_says(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(LOGS or "") / f"{host.name}.txt"
    if not path.is_file():
        pytest.skip(f"needs {host.link} as {path}")
    assert main(["verify", "--log", str(path), "--json"]) == bool(host.wrong)
    found = json.loads(capsys.readouterr().out)
    assert found["kernel"]["release"] == host.release
    assert (found["equal"], found["total"]) == (host.equal, host.total)
    assert {one["kind"] for one in found["differences"] if one["sort"] == "ours"} == host.wrong
