"""``resource-tree.jsonl``: ``kernel/resource.c``."""

from __future__ import annotations

from typing import Any

from softreserve.kernel import resource as r
from softreserve.model.events import EventLog

from families._common import both_releases, number

_ANSWERS = {r.REGION_INTERSECTS: "INTERSECTS", r.REGION_DISJOINT: "DISJOINT", r.REGION_MIXED: "MIXED"}


class _Case:
    """One list of operations on one tree."""

    def __init__(self) -> None:
        self.log = EventLog()
        self.tree = r.ResourceTree(self.log)
        self.made: dict[int, r.Resource] = {}

    def parent(self, op: dict[str, Any]) -> r.Resource:
        return self.made[op["parent"]] if "parent" in op else self.tree.root

    def new(self, op: dict[str, Any]) -> r.Resource:
        made = r.Resource(number(op["start"]), number(op["end"]), op["name"], op["flags"], op["desc"])
        self.made[op["i"]] = made
        return made

    def step(self, op: dict[str, Any]) -> dict[str, Any]:
        mark = len(self.log)
        result: dict[str, Any] = getattr(self, f"do_{op['op']}")(op)
        if op["op"] not in ("region_intersects", "walk_iomem_res_desc"):
            result["iomem"] = self.tree.lines()
        if lines := self.log.lines_since(mark):
            result["log"] = lines
        return result

    def do_insert(self, op: dict[str, Any]) -> dict[str, Any]:
        new = self.new(op)
        return {"rc": r.insert_resource(self.parent(op), new), "linked": new.parent is not None}

    def do_expand(self, op: dict[str, Any]) -> dict[str, Any]:
        new = self.new(op)
        r.insert_resource_expand_to_fit(self.parent(op), new, self.log)
        return {"linked": new.parent is not None}

    def do_request(self, op: dict[str, Any]) -> dict[str, Any]:
        new = self.new(op)
        return {"rc": r.request_resource(self.parent(op), new), "linked": new.parent is not None}

    def do_request_region(self, op: dict[str, Any]) -> dict[str, Any]:
        res = r.request_region(self.parent(op), number(op["start"]), number(op["size"]), op["name"], op["flags"])
        if res is not None:
            self.made[op["i"]] = res
        return {"ok": res is not None}

    def do_release_region(self, op: dict[str, Any]) -> dict[str, Any]:
        r.release_region(self.parent(op), number(op["start"]), number(op["size"]), self.log)
        return {}

    def do_release(self, op: dict[str, Any]) -> dict[str, Any]:
        return {"rc": r.release_resource(self.made[op["res"]])}

    def do_remove(self, op: dict[str, Any]) -> dict[str, Any]:
        return {"rc": r.remove_resource(self.made[op["res"]])}

    def do_adjust(self, op: dict[str, Any]) -> dict[str, Any]:
        return {"rc": r.adjust_resource(self.made[op["res"]], number(op["start"]), number(op["size"]))}

    def do_merge(self, op: dict[str, Any]) -> dict[str, Any]:
        r.merge_system_ram_resource(self.made[op["res"]])
        return {}

    def do_reserve_region_with_split(self, op: dict[str, Any]) -> dict[str, Any]:
        r.reserve_region_with_split(self.parent(op), number(op["start"]), number(op["end"]), op["name"], self.log)
        return {}

    def do_release_mem_region_adjustable(self, op: dict[str, Any]) -> dict[str, Any]:
        r.release_mem_region_adjustable(self.tree.root, number(op["start"]), number(op["size"]))
        return {}

    def do_region_intersects(self, op: dict[str, Any]) -> dict[str, Any]:
        answer = r.region_intersects(self.tree.root, number(op["start"]), number(op["size"]), op["flags"], op["desc"])
        return {"ret": _ANSWERS[answer]}

    def do_walk_iomem_res_desc(self, op: dict[str, Any]) -> dict[str, Any]:
        ranges: list[dict[str, str]] = []

        def collect(res: r.Resource) -> int:
            ranges.append({"start": hex(res.start), "end": hex(res.end)})
            return 0

        status = r.walk_iomem_res_desc(
            self.tree.root, op["desc"], op["flags"], number(op["start"]), number(op["end"]), collect
        )
        return {"rc": status, "ranges": ranges}

    def listing(self) -> list[dict[str, Any]]:
        return [
            {
                "depth": depth,
                "start": hex(res.start),
                "end": hex(res.end),
                "flags": hex(res.flags),
                "desc": res.desc,
                "name": res.name,
            }
            for depth, res in self.tree.walk()
        ]


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    def run(_release: str) -> dict[str, Any]:
        case = _Case()
        return {"steps": [case.step(op) for op in in_["ops"]], "tree": case.listing()}

    return both_releases(run)
