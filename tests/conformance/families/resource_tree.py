"""``resource-tree.jsonl``: ``kernel/resource.c``."""

from __future__ import annotations

from typing import Any

from softreserve.kernel import resource as r
from softreserve.kernel.state import KernelState
from softreserve.model import behaviours
from softreserve.model.machine import Machine
from softreserve.model.units import U64_MAX
from softreserve_x86.arch import X86_64

from families import _common
from families._common import by_release, kernel

_ANSWERS = {r.REGION_INTERSECTS: "INTERSECTS", r.REGION_DISJOINT: "DISJOINT", r.REGION_MIXED: "MIXED"}


def number(text: str) -> int:
    """An address as the functions get it: 64 bits of it."""
    return _common.number(text) & U64_MAX


class _Case:
    """One list of operations on the trees of a kernel: ``/proc/iomem``, and soft reserved memory where it is apart."""

    def __init__(self, release: str) -> None:
        state = KernelState(Machine("vectors", kernel(release)), X86_64)
        self.kernel = state.kernel
        self.log = state.log
        self.tree = state.iomem
        self.soft = state.soft_reserved if state.kernel.has(behaviours.SOFT_RESERVED_IN_OWN_TREE) else None
        self.made: dict[int, r.Resource] = {}

    def parent(self, op: dict[str, Any]) -> r.Resource:
        if op.get("parent") == "soft":
            assert self.soft is not None
            return self.soft.root
        return self.made[op["parent"]] if "parent" in op else self.tree.root

    def new(self, op: dict[str, Any]) -> r.Resource:
        made = r.Resource(number(op["start"]), number(op["end"]), op["name"], op["flags"], op["desc"])
        self.made[op["i"]] = made
        return made

    def step(self, op: dict[str, Any]) -> dict[str, Any]:
        mark = len(self.log)
        result: dict[str, Any] = getattr(self, f"do_{op['op']}")(op)
        if not op["op"].startswith(("region_intersects", "walk")):
            result["iomem"] = self.tree.lines()
            if self.soft is not None:
                result["soft"] = self.soft.lines()
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
        hands_over = self.kernel.has(behaviours.SPLIT_RESOURCE_HANDS_OVER_CHILDREN)
        r.release_mem_region_adjustable(self.tree.root, number(op["start"]), number(op["size"]), hands_over=hands_over)
        return {}

    def do_region_intersects(self, op: dict[str, Any]) -> dict[str, Any]:
        return self._intersects(self.tree, op, op["flags"], op["desc"])

    def do_region_intersects_soft_reserve(self, op: dict[str, Any]) -> dict[str, Any]:
        return self._intersects(self.soft, op, r.IORESOURCE_MEM, r.IORES_DESC_SOFT_RESERVED)

    def do_walk_iomem_res_desc(self, op: dict[str, Any]) -> dict[str, Any]:
        return self._walk(self.tree, op, op["flags"], op["desc"])

    def do_walk_soft_reserve_res(self, op: dict[str, Any]) -> dict[str, Any]:
        return self._walk(self.soft, op, r.IORESOURCE_MEM, r.IORES_DESC_SOFT_RESERVED)

    def _intersects(self, tree: r.ResourceTree | None, op: dict[str, Any], flags: int, desc: int) -> dict[str, Any]:
        assert tree is not None
        answer = r.region_intersects(tree.root, number(op["start"]), number(op["size"]), flags, desc)
        return {"ret": _ANSWERS[answer]}

    def _walk(self, tree: r.ResourceTree | None, op: dict[str, Any], flags: int, desc: int) -> dict[str, Any]:
        assert tree is not None
        ranges: list[dict[str, str]] = []

        def collect(res: r.Resource) -> int:
            ranges.append({"start": hex(res.start), "end": hex(res.end)})
            return 0

        status = r.walk_iomem_res_desc(tree.root, desc, flags, number(op["start"]), number(op["end"]), collect)
        return {"rc": status, "ranges": ranges}

    @staticmethod
    def listing(tree: r.ResourceTree) -> list[dict[str, Any]]:
        return [
            {
                "depth": depth,
                "start": hex(res.start),
                "end": hex(res.end),
                "flags": hex(res.flags),
                "desc": res.desc,
                "name": res.name,
            }
            for depth, res in tree.walk()
        ]


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    def run(release: str) -> dict[str, Any]:
        case = _Case(release)
        found = {"steps": [case.step(op) for op in in_["ops"]], "tree": case.listing(case.tree)}
        return found if case.soft is None else {**found, "soft_tree": case.listing(case.soft)}

    return by_release(in_, run)
