"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const words = data.words;
  const find = (id) => document.getElementById(id);
  const PAGE = 1500, LISTED = 60;
  const SVG = "http://www.w3.org/2000/svg";

  // --- values

  const big = (text) => BigInt("0x" + text);
  const hex = (number) => "0x" + number.toString(16);
  const place = (start, end) => hex(start) + "-" + hex(end - 1n);

  function human(size) {
    for (const [power, unit] of [[40n, "TiB"], [30n, "GiB"], [20n, "MiB"], [10n, "KiB"]])
      if (size >= 1n << power)
        return (Number(size) / Number(1n << power)).toFixed(2).replace(/\.?0+$/, "") + " " + unit;
    return size + " B";
  }

  // what people type or paste: 0x..., 4G, bytes; as in /proc/iomem, without 0x
  function address(text) {
    const found = /^(0x)?([0-9a-f]+)\s*([kmgtpe])?(i?b)?$/i.exec(text.trim().replace(/_/g, ""));
    if (!found) return null;
    let [, prefix, digits, unit] = found;
    if (!prefix && unit === undefined && /^\d+e$/i.test(digits)) [digits, unit] = [digits.slice(0, -1), "e"];
    const hexadecimal = prefix || (/^(?=.*[a-f]|0)[0-9a-f]{5,}$/i.test(digits) || /[a-f]/i.test(digits)) && !unit;
    if (!hexadecimal && !/^\d+$/.test(digits)) return null;
    const value = BigInt(hexadecimal ? "0x" + digits : digits.replace(/^0+(?=\d)/, ""));
    const shifted = value << BigInt(unit ? 10 * ("kmgtpe".indexOf(unit.toLowerCase()) + 1) : 0);
    return shifted < 1n << 64n ? shifted : null;
  }

  // made of the data when somebody asks: a map of ten thousand descriptors has to be on the screen first
  function late(object, name, make) {
    Object.defineProperty(object, name, {
      configurable: true,
      get() {
        const value = make();
        Object.defineProperty(object, name, { value });
        return value;
      },
    });
    return object;
  }

  // an address, or a range with its last byte, perhaps with what it is behind a colon: [start, end]; end may be null
  function range(text) {
    const [first, last] = text.split(" : ")[0].split("-");
    const start = address(first);
    if (start === null || last === undefined) return [start, null];
    const end = address(last);
    if (end === null || end < start) return [null, null];
    return [start, /[kmgtpe](i?b)?\s*$/i.test(last) && !/0x/i.test(last) && end > start ? end : end + 1n];
  }

  const systems = data.systems.map((system, number) => {
    const lanes = system.lanes.map((lane, at) => late({ key: lane.key, title: lane.title, raw: lane.bars }, "bars",
      () => lane.bars.map(([start, end, label, kind, node, note], index) => ({
        id: `b${number}-${at}-${index}`, system: number, lane: at, index, stage: lane.title,
        start: big(start), end: big(end), label: words[label], kind: words[kind], node, note: words[note],
      }))));
    const made = { number, title: system.title, lanes, count: lanes.reduce((sum, lane) => sum + lane.raw.length, 0) };
    late(made, "every", () => lanes.flatMap((lane) => lane.bars));
    late(made, "events", () => system.events.map(([stage, rule, by, start, end, before, after]) => ({
      stage: words[stage], rule: words[rule], by: words[by], start: big(start), end: big(end),
      before: words[before], after: words[after],
    })));
    late(made, "findings", () => system.findings.map(([severity, rule, message, start, end], index) => ({
      id: `f${number}-${index}`, severity, rule: words[rule], message: words[message],
      start: start === null ? null : big(start), end: end === null ? null : big(end),
    })));
    return made;
  });

  const bar = (id) => {
    const [system, lane, index] = id.slice(1).split("-").map(Number);
    return systems[system].lanes[lane].bars[index];
  };

  // the number of the first bar that ends behind an address
  function from(lane, where) {
    let low = 0, high = lane.bars.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lane.bars[middle].end <= where) low = middle + 1; else high = middle;
    }
    return low;
  }

  function at(lane, where) {
    const found = lane.bars[from(lane, where)];
    return found && found.start <= where ? found : null;
  }

  // bars that are drawn, by lane
  const columns = new Map();

  function ready(svg) {
    const bars = [...svg.querySelectorAll("g.bar")];
    columns.set(svg.dataset.lane, bars);
    bars.forEach((g, number) => {
      g.setAttribute("role", "button");
      g.setAttribute("tabindex", number ? "-1" : "0");
    });
  }

  const drawings = [...document.querySelectorAll("svg.lane")];
  drawings.forEach(ready);

  const lastOf = (g) => Number((g.dataset.last || g.id).split("-")[2]);

  // the element that shows a range, alone or with others; null: it is out of sight
  function element(one) {
    const own = find(one.id);
    if (own) return own;
    const bars = columns.get(`b${one.system}-${one.lane}`) || [];
    const g = bars.findLast((other) => Number(other.id.split("-")[2]) <= one.index);
    return g && one.index <= lastOf(g) ? g : null;
  }

  function members(g) {
    const first = bar(g.id);
    return systems[first.system].lanes[first.lane].bars.slice(first.index, lastOf(g) + 1);
  }

  // --- what is said of a range

  function make(name, text, ...children) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    made.append(...children);
    return made;
  }

  function press(text, action) {
    const made = make("button", text);
    made.type = "button";
    made.addEventListener("click", action);
    return made;
  }

  function link(one) {
    const made = press(`${one.label}, ${human(one.end - one.start)}, ${place(one.start, one.end)}`, () => go(one));
    made.className = "link";
    return made;
  }

  const details = find("details");
  let kept = null;

  function tell(title, parts, keep) {
    const close = press("close", release);
    close.className = "close";
    details.replaceChildren(...(keep ? [close] : []), make("h3", title), ...parts);
    details.classList.toggle("kept", keep);
    if (keep) details.scrollTop = 0;
  }

  function list(pairs) {
    const made = make("dl");
    for (const [name, value] of pairs) {
      const dd = make("dd");
      dd.append(value);
      made.append(make("dt", name), dd);
    }
    return made;
  }

  function trail(system, where) {
    const events = system.events.filter((event) => event.start <= where && where < event.end);
    if (!events.length) return [make("p", "neither the firmware's map nor anything later names it")];
    const items = events.map((event) => {
      let text = `${event.stage}: ${event.rule}`;
      if (event.before && event.after) text += `: ${event.before} \u2192 ${event.after}`;
      else if (event.before || event.after) text += `: ${event.before || event.after}`;
      const item = make("li", `${text} [${place(event.start, event.end)}]`);
      if (event.by) {
        const by = make("code", event.by);
        by.className = "function";
        item.append(by);
      }
      return item;
    });
    const more = make("p", "What would have changed it: ", make("code", `softreserve explain MACHINE ${hex(where)}`));
    more.className = "about";
    return [make("h3", `how ${hex(where)} came to be that`), make("ol", "", ...items), more];
  }

  function stagesAt(system, where) {
    return list(system.lanes.map((lane) => {
      const found = at(lane, where);
      return [lane.title, found ? link(found) : "nothing"];
    }));
  }

  function findingsOver(system, start, end) {
    const found = system.findings.filter((f) => f.start !== null && f.start < end && start < f.end);
    if (!found.length) return [];
    const items = found.map((finding) => {
      const text = `${finding.severity}: ${finding.message} [${finding.rule}]`;
      if (!find(finding.id)) return make("li", text);
      const a = make("a", text);
      a.href = "#" + finding.id;
      a.className = finding.severity;
      return make("li", "", a);
    });
    const more = found.length > LISTED ? [make("p", `and ${found.length - LISTED} more`)] : [];
    return [make("h3", "findings"), make("ul", "", ...items.slice(0, LISTED)), ...more];
  }

  function tellBar(one, keep) {
    const system = systems[one.system];
    const facts = [
      ["stage", one.stage], ["range", make("code", place(one.start, one.end))],
      ["size", human(one.end - one.start)],
    ];
    if (one.node >= 0) facts.push(["node", String(one.node)]);
    if (one.note) facts.push(["more", one.note]);
    if (systems.length > 1) facts.unshift(["of", system.title]);
    tell(one.label, [
      list(facts), ...findingsOver(system, one.start, one.end), ...trail(system, one.start),
      make("h3", `${hex(one.start)} in every stage`), stagesAt(system, one.start),
    ], keep);
  }

  function tellMany(found, keep) {
    const first = found[0], last = found[found.length - 1];
    const items = found.slice(0, LISTED).map((one) => make("li", "", link(one)));
    const more = found.length > LISTED ? [make("p", `and ${found.length - LISTED} more: see the table`)] : [];
    const closer = press("look closer", () => {
      zoom(first.start, last.end);
      const g = element(first);
      if (g) focus(g);
    });
    tell(`${found.length} ranges`, [
      ...(keep ? [closer] : []),
      list([["stage", first.stage], ["from", hex(first.start)], ["to", hex(last.end - 1n)]]),
      make("ol", "", ...items), ...more,
    ], keep);
  }

  function show(g, keep) {
    const found = members(g);
    if (found.length > 1) tellMany(found, keep); else tellBar(found[0], keep);
  }

  function mark(elements) {
    document.querySelectorAll("g.bar.hit").forEach((g) => g.classList.remove("hit"));
    elements.forEach((g) => g && g.classList.add("hit"));
  }

  function keep(g) {
    kept = g;
    mark([g]);
    show(g, true);
  }

  function release() {
    const last = kept;
    kept = null;
    mark([]);
    tell("nothing is chosen", [make("p", "Point at a bar, or go there with Tab and the arrow keys.")], false);
    if (last) last.focus({ preventScroll: true });
  }

  function focus(g) {
    const column = columns.get(g.closest("svg").dataset.lane);
    column.forEach((other) => other.setAttribute("tabindex", other === g ? "0" : "-1"));
    g.scrollIntoView({ block: "center", inline: "center" });
    g.focus({ preventScroll: true });
  }

  // see that a range is drawn, by itself if there is room for that
  function reveal(one) {
    let g = element(one);
    if (!g) { zoom(null); g = element(one); }
    for (let tries = 0; g && g.dataset.last && tries < 4; tries++) {
      const found = members(g);
      if (view && view.start === found[0].start && view.end === found[found.length - 1].end) break;
      zoom(found[0].start, found[found.length - 1].end);
      g = element(one);
    }
    return g;
  }

  function go(one) {
    const g = reveal(one);
    if (!g) return;
    const column = g.closest(".column");
    if (column.hidden) { toggle(column.dataset.key, true); column.hidden = false; }
    kept = g;
    focus(g);
    mark([g]);
    tellBar(one, true);
  }

  // --- pointer and keys

  document.querySelectorAll(".lanes").forEach((lanes) => {
    const over = (event) => event.target.closest("g.bar");
    lanes.addEventListener("mouseover", (event) => {
      const g = over(event);
      if (g && !kept) show(g, false);
    });
    lanes.addEventListener("click", (event) => {
      const g = over(event);
      if (g) { keep(g); focus(g); }
    });
    lanes.addEventListener("focusin", (event) => {
      const g = over(event);
      if (g && !kept) show(g, false);
    });
    lanes.addEventListener("keydown", (event) => {
      const g = over(event);
      if (!g) return;
      const next = step(g, event.key);
      if (next) { if (kept) keep(next); focus(next); }
      else if (event.key === "Enter" || event.key === " ") keep(g);
      else return;
      event.preventDefault();
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && details.classList.contains("kept")) release();
  });
  document.querySelectorAll("svg.strip").forEach((strip) => strip.addEventListener("click", (event) => {
    const g = event.target.closest("g.bar");
    if (!g) return;
    const system = systems[Number(strip.closest(".system").dataset.system)];
    const one = system.lanes.map((lane) => at(lane, big(g.dataset.at))).find(Boolean);
    if (one) go(one);
  }));

  function step(g, key) {
    const column = columns.get(g.closest("svg").dataset.lane);
    const index = column.indexOf(g);
    if (key === "ArrowDown") return column[index + 1];
    if (key === "ArrowUp") return column[index - 1];
    if (key === "Home") return column[0];
    if (key === "End") return column[column.length - 1];
    if (key !== "ArrowLeft" && key !== "ArrowRight") return null;
    const seen = [...document.querySelectorAll("svg.lane")].map((svg) => columns.get(svg.dataset.lane))
      .filter((found) => found.length && !found[0].closest(".column").hidden);
    const beside = seen[seen.indexOf(column) + (key === "ArrowRight" ? 1 : -1)];
    if (!beside) return null;
    const middle = (other) => { const box = other.getBBox(); return box.y + box.height / 2; };
    const here = g.getBBox().y + 1;
    return beside.find((o) => { const b = o.getBBox(); return b.y <= here && here < b.y + b.height; }) ||
      beside.reduce((a, b) => (Math.abs(middle(b) - here) < Math.abs(middle(a) - here) ? b : a));
  }

  // --- to draw a part of the map, or without what is no specific purpose memory

  const AXIS = 164, LEAST = 18, STEP = 1.4, MOST = 400, FITTING = 18, ABREAST = 22;
  const axes = [...document.querySelectorAll("svg.axis")]; // the first is seen; each machine has one on paper
  const originals = new Map([...drawings, ...axes].map((svg) => [svg, [...svg.childNodes]]));
  const heights = new Map([...originals.keys()].map((svg) => [svg, svg.getAttribute("height")]));
  let view = null; // the part that is drawn

  function pieces(only) {
    const lanes = systems.flatMap((system) => system.lanes);
    const ends = lanes.filter((lane) => lane.bars.length).map((lane) => [lane.bars[0].start, lane.bars.at(-1).end]);
    const start = view ? view.start : ends.reduce((a, [b]) => (b < a ? b : a), ends[0][0]);
    const end = view ? view.end : ends.reduce((a, [, b]) => (b > a ? b : a), ends[0][1]);
    const cuts = new Set([start, end]), filled = [];
    for (const lane of lanes) {
      for (let n = from(lane, start); n < lane.bars.length && lane.bars[n].start < end; n++) {
        const one = lane.bars[n];
        if (one.start > start) cuts.add(one.start);
        if (one.end < end) cuts.add(one.end);
        if (lane.key !== "blocks") filled.push(one);
      }
    }
    const every = [...cuts].sort((a, b) => (a < b ? -1 : 1));
    let kept = every;
    if (only) {
      const spans = merged(reach.all.flat().map(([low, high]) => ({ start: low, end: high })));
      const near = (a, b) => a !== undefined && b !== undefined && touches(spans, { start: a, end: b });
      kept = every.filter((cut, n) => !n || n === every.length - 1 || near(every[n - 1], cut) || near(cut, every[n + 1]));
    }
    if (kept.length > MOST + 1) kept = kept.filter((_, n) => !n || n === kept.length - 1 ||
      Math.floor(n * MOST / kept.length) !== Math.floor((n - 1) * MOST / kept.length));
    const spans = merged(filled);
    const place = new Map(every.map((cut, n) => [cut, n]));
    let at = 0;
    return kept.slice(1).map((high, n) => {
      const low = kept[n], folded = place.get(high) - place.get(low) - 1;
      const bits = Math.max((high - low).toString(2).length - 13, 0);
      const length = LEAST + (only && folded ? 0 : Math.round(STEP * bits));
      at += length;
      return { start: low, end: high, at: at - length, length, folded, empty: !touches(spans, { start: low, end: high }) };
    });
  }

  // as the page's first picture is drawn: what shares a piece of the axis with others is told with them
  function bars(lane, axis) {
    const found = [], start = axis[0].start, end = axis.at(-1).end;
    let waiting = null, piece = 0;
    const flush = () => { if (waiting) found.push(waiting); waiting = null; };
    const wait = (number, one) => {
      if (waiting && waiting.top === one.at) waiting.last = number;
      else { flush(); waiting = { top: one.at, bottom: one.at + one.length, number, last: number }; }
    };
    for (let number = from(lane, start); number < lane.bars.length && lane.bars[number].start < end; number++) {
      const one = lane.bars[number];
      while (axis[piece].end <= one.start) piece++;
      let first = piece, last = piece;
      while (last + 1 < axis.length && axis[last + 1].start < one.end) last++;
      if (one.start > axis[first].start) {
        wait(number, axis[first]);
        if (first === last) continue;
        first++;
      }
      flush();
      const whole = one.end >= axis[last].end ? last : last - 1;
      if (first <= whole)
        found.push({ top: axis[first].at, bottom: axis[whole].at + axis[whole].length, number, last: number });
      if (whole < last) wait(number, axis[last]);
    }
    flush();
    return found;
  }

  function shape(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  const short = (text) => (text.length > FITTING ? text.slice(0, FITTING - 1) + "\u2026" : text);

  function drawBar(lane, one, prefix) {
    const found = lane.bars.slice(one.number, one.last + 1), first = found[0];
    const many = found.length > 1, whole = place(first.start, found.at(-1).end);
    const kind = found.every((other) => other.kind === first.kind) ? first.kind : "many";
    const label = many ? `${found.length} ranges` : first.label;
    const size = many ? whole : human(first.end - first.start);
    const g = shape("g", { class: `bar k-${kind}`, id: `${prefix}-${one.number}` });
    if (many) g.dataset.last = `${prefix}-${one.last}`;
    g.append(
      shape("title", {}, many ? `${label}, ${whole}`
        : `${label}, ${size}, ${whole}${first.node >= 0 && kind !== "node" ? `, node ${first.node}` : ""}`),
      shape("rect", { y: one.top + 0.5, height: one.bottom - one.top - 1 }),
      shape("text", { y: one.top + 12 }, short(label)));
    if (one.bottom - one.top >= 31) g.append(shape("text", { y: one.top + 25, class: "size" }, short(size)));
    return g;
  }

  function drawAxis(piece) {
    const size = human(piece.end - piece.start), told = piece.folded ? `${piece.folded + 1} in ${size}` : size;
    const made = [
      shape("path", { class: "tick", d: `M0,${piece.at + 0.5} H${AXIS}` }),
      shape("text", { x: 2, y: piece.at + 12 }, hex(piece.start)),
      shape("text", { x: AXIS - 4, y: piece.at + 12, class: "size end" },
        hex(piece.start).length + told.length > ABREAST ? size : told),
    ];
    if (piece.empty) {
      const middle = piece.at + piece.length - 3;
      const points = Array.from({ length: AXIS / 8 + 1 | 0 }, (_, n) => `${n * 8},${middle + (n % 2 ? 2 : -2)}`);
      const broken = shape("polyline", { class: "break", points: points.join(" ") });
      broken.append(shape("title", {}, `nothing: ${size}`));
      made.push(broken);
    }
    return made;
  }

  function draw() {
    if (!axes.length) return;
    const only = find("only").checked && reach.all.some((spans) => spans.length);
    const whole = !view && !only;
    const found = whole ? [] : pieces(only);
    const length = whole ? 0 : found.at(-1).at + found.at(-1).length;
    drawings.forEach((svg) => {
      const [system, lane] = svg.dataset.lane.slice(1).split("-").map(Number);
      const shown = systems[system].lanes[lane];
      svg.replaceChildren(...(whole ? originals.get(svg)
        : bars(shown, found).map((one) => drawBar(shown, one, svg.dataset.lane))));
      svg.setAttribute("height", whole ? heights.get(svg) : length + 1);
      ready(svg);
    });
    axes.forEach((axis) => {
      axis.replaceChildren(...(whole ? originals.get(axis)
        : [...found.flatMap(drawAxis), shape("text", { x: 2, y: length + 11 }, hex(found.at(-1).end))]));
      axis.setAttribute("height", whole ? heights.get(axis) : length + 14);
    });
    kept = null;
    flags();
    fade();
    const back = find("whole");
    back.hidden = !view;
    if (view) back.textContent = `whole map (now ${place(view.start, view.end)})`;
  }

  function zoom(start, end) {
    view = start === null ? null : { start, end };
    draw();
  }

  find("whole").addEventListener("click", () => { zoom(null); release(); });

  // --- search

  const said = find("said");

  function search(text) {
    const [where, end] = range(text);
    if (where === null) {
      said.textContent = `${text.trim() || "nothing"} is no address: write 0x240000000, 9G or bytes`;
      return;
    }
    const hits = systems.flatMap((system) => system.lanes.map((lane) => at(lane, where))).filter(Boolean);
    said.textContent = hits.length
      ? `${hex(where)} (${human(where)}) is in ${hits.length} lane${hits.length > 1 ? "s" : ""}`
      : `nothing is at ${hex(where)} (${human(where)})`;
    const parts = systems.flatMap((system) => [
      ...(systems.length > 1 ? [make("h3", system.title)] : []), stagesAt(system, where),
      ...findingsOver(system, where, where + 1n), ...trail(system, where),
    ]);
    if (end !== null && axes.length) zoom(where, end);
    else if (hits.length) reveal(hits[0]);
    const shown = hits.map(element).filter((g) => g && !g.closest(".column").hidden);
    kept = shown[0] || null;
    if (shown[0]) shown[0].scrollIntoView({ block: "center", inline: "nearest" });
    mark(shown);
    tell(`${hex(where)} in every stage`, parts, true);
    history.replaceState(null, "", "#" + (end === null ? hex(where) : place(where, end)));
  }

  const tools = find("tools");
  tools.addEventListener("submit", (event) => {
    event.preventDefault();
    search(find("address").value);
  });

  // --- filters

  const SPECIAL = new Set(["special", "dax", "kmem", "lost", "offline"]);

  // ranges as disjoint ones, ascending
  function merged(found) {
    const joined = [];
    const spans = found.map((one) => [one.start, one.end]);
    for (const [start, end] of spans.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))) {
      const last = joined[joined.length - 1];
      if (last && start <= last[1]) { if (end > last[1]) last[1] = end; } else joined.push([start, end]);
    }
    return joined;
  }

  // where specific purpose memory is, by system
  const reach = late({}, "all", () => systems.map((system) =>
    merged(system.every.filter((one) => SPECIAL.has(one.kind)))));

  function touches(spans, one) {
    let low = 0, high = spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (spans[middle][1] <= one.start) low = middle + 1; else high = middle;
    }
    return low < spans.length && spans[low][0] < one.end;
  }

  const hidden = new Set();
  const same = find("same") || { checked: true, addEventListener() {} };
  same.addEventListener("change", () => keys.forEach((_, key) => toggle(key, !hidden.has(key))));

  function wanted(one) {
    const kind = find("kind").value, node = find("node").value;
    return (!kind || one.kind === kind) && (!node || nodeOf(one) === node) &&
      (!find("only").checked || touches(reach.all[one.system], one));
  }

  function nodeOf(one) {
    if (one.node >= 0) return String(one.node);
    const lane = systems[one.system].lanes.find((other) => other.key === "nodes");
    const found = lane && at(lane, one.start);
    return found ? String(found.node) : "";
  }

  function fade() {
    document.querySelectorAll("svg.lane g.bar").forEach((g) => g.classList.toggle("dim", !members(g).some(wanted)));
  }

  function filter() {
    fade();
    tables.forEach((table) => { table.first = 0; table.fill(); });
  }

  function toggle(key, seen) {
    if (seen) hidden.delete(key); else hidden.add(key);
    document.querySelectorAll(".column").forEach((column) => {
      if (column.dataset.key === key) column.hidden = !seen || ("same" in column.dataset && !same.checked);
    });
    document.querySelectorAll("#stages input").forEach((box) => { if (box.value === key) box.checked = seen; });
  }

  ["kind", "node"].forEach((id) => find(id).addEventListener("change", filter));
  find("only").addEventListener("change", () => { draw(); filter(); });
  const keys = new Map(systems.flatMap((system) => system.lanes.map((lane) => [lane.key, lane.title])));
  for (const [key, title] of keys) {
    const box = make("input");
    box.type = "checkbox";
    box.checked = true;
    box.value = key;
    box.addEventListener("change", () => { toggle(key, box.checked); filter(); });
    find("stages").append(make("label", "", box, " " + title));
  }
  const nodes = new Set(data.systems.flatMap((system) => system.lanes.flatMap((lane) =>
    lane.bars.map((one) => one[4]).filter((node) => node >= 0))));
  [...nodes].sort((a, b) => a - b).forEach((node) => {
    const option = make("option", String(node));
    option.value = String(node);
    find("node").append(option);
  });

  // --- several machines: lanes of one stage beside each other, or lanes of one machine; so they are on paper

  const pairs = [...document.querySelectorAll(".pair")];
  const staged = make("div");

  function arrange(byStage) {
    if (byStage === Boolean(staged.parentElement)) return;
    if (byStage) {
      const groups = new Map();
      pairs.forEach((pair, number) => pair.querySelectorAll(".column").forEach((column) => {
        const key = column.dataset.key;
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push([column, number]);
      }));
      staged.replaceChildren(...[...groups].map(([key, found]) => {
        const same = found.filter(([column]) => "same" in column.dataset).length;
        const title = make("div", keys.get(key)), row = make("div", "", ...found.map(([column]) => column));
        title.className = "title";
        if (same) {
          const as = make("span", same === found.length - 1 ? " (the same in all)" : ` (${same} as in the first)`);
          as.className = "as";
          title.append(as);
        }
        row.className = "columns";
        const group = make("div", "", title, row);
        group.className = "group";
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", keys.get(key));
        found.forEach(([column, number]) => {
          const name = column.querySelector(".name"), own = make("div", systems[number].title);
          own.className = "name";
          own.title = `${systems[number].title}: ${name.title}`;
          name.hidden = true;
          name.after(own);
        });
        return group;
      }));
      pairs.at(-1).after(staged);
    } else {
      staged.querySelectorAll(".column").forEach((column) => {
        column.querySelector(".name").hidden = false;
        column.querySelector(".name + .name").remove();
        const number = Number(column.querySelector("svg").dataset.lane.slice(1).split("-")[0]);
        pairs[number].querySelector(".columns").append(column);
      });
      staged.remove();
    }
    pairs.forEach((pair) => { pair.querySelector(".group:not(.axis)").hidden = byStage; });
  }

  if (pairs.length > 1) {
    staged.className = "pair";
    const beside = find("beside"), paper = matchMedia("print");
    const follow = () => arrange(beside.value === "stages" && !paper.matches);
    beside.addEventListener("change", follow);
    paper.addEventListener("change", follow);
    addEventListener("beforeprint", () => arrange(false));
    addEventListener("afterprint", follow);
    follow();
  }

  // --- tables

  const BY = [
    (one) => one.lane, (one) => one.start, (one) => one.end, (one) => one.end - one.start,
    (one) => one.label, (one) => one.node, (one) => one.note,
  ];

  class Table {
    constructor(element) {
      this.body = element.tBodies[0];
      this.system = systems[Number(element.dataset.system)];
      this.first = 0;
      this.shown = null; // as they came with the page
      this.by = null;
      this.down = false;
      this.heads = [...element.tHead.rows[0].cells];
      this.heads.forEach((head, number) => {
        const text = head.textContent;
        head.replaceChildren(press(text, () => this.sort(number)));
      });
      this.body.addEventListener("click", (event) => {
        const row = event.target.closest("tr");
        if (row && !String(getSelection())) go(this.shown ? this.shown[row.sectionRowIndex] : this.system.every[row.sectionRowIndex]);
      });
      this.pager = make("div");
      this.pager.className = "pager";
      element.after(this.pager);
      const cut = element.parentElement.querySelector(".cut");
      if (cut) cut.remove();
      this.tell(this.system.count);
    }

    sort(number) {
      this.down = this.by === number && !this.down;
      this.by = number;
      this.first = 0;
      this.heads.forEach((head, other) => {
        if (other === number) head.setAttribute("aria-sort", this.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      this.fill();
    }

    fill() {
      const found = this.system.every.filter((one) => !hidden.has(this.system.lanes[one.lane].key) && wanted(one));
      if (this.by !== null) {
        const value = BY[this.by], sign = this.down ? -1 : 1;
        found.sort((a, b) => { const x = value(a), y = value(b); return sign * (x < y ? -1 : x > y ? 1 : 0); });
      }
      this.shown = found.slice(this.first, this.first + PAGE);
      const rows = this.shown.map((one) => {
        const row = make("tr");
        row.append(
          make("td", one.stage), make("td", hex(one.start)), make("td", hex(one.end - 1n)),
          make("td", human(one.end - one.start)),
          make("td", one.label), make("td", one.node >= 0 ? String(one.node) : ""), make("td", one.note));
        return row;
      });
      this.body.replaceChildren(...rows);
      this.tell(found.length);
    }

    tell(count) {
      this.pager.replaceChildren();
      if (count < this.system.count) this.pager.append(`${count} of ${this.system.count} rows are wanted`);
      if (count <= PAGE) return;
      const turn = (by) => () => { this.first += by; this.fill(); };
      const back = press("back", turn(-PAGE)), on = press("on", turn(PAGE));
      back.disabled = this.first === 0;
      on.disabled = this.first + PAGE >= count;
      this.pager.append(back, `rows ${this.first + 1} to ${Math.min(this.first + PAGE, count)} of ${count}`, on);
    }
  }

  const tables = [...document.querySelectorAll("table.every")].map((table) => new Table(table));

  // --- findings, on the bars and from them

  function flag(g, severity) {
    if (!g || g.querySelector(".mark")) return;
    const y = Number(g.querySelector("rect").getAttribute("y")) + 2;
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", `M118,${y + 11} l6,-11 l6,11 z`);
    path.setAttribute("class", "mark " + severity);
    g.append(path);
  }

  function flags() {
    for (const system of systems) {
      const lane = system.lanes.find((one) => one.key === "outcome");
      if (!lane) continue;
      for (const severity of ["error", "warning"]) {
        const spans = merged(system.findings.filter((one) => one.severity === severity && one.start !== null));
        lane.bars.forEach((one) => { if (touches(spans, one)) flag(element(one), severity); });
      }
    }
  }

  function lead(a) {
    a.addEventListener("click", (event) => {
      event.preventDefault();
      const [number, index] = a.dataset.finding.split("-").map(Number);
      const { start, end } = systems[number].findings[index];
      const over = systems[number].every.filter((one) => one.start < end && start < one.end);
      if (!over.length) { search(hex(start)); return; }
      go(over[0]);
      mark(over.map(element));
    });
  }

  document.querySelectorAll("a.go").forEach(lead);
  // those that the page has no room for at first
  document.querySelectorAll("ol.findings[data-system]").forEach((list) => {
    const system = systems[Number(list.dataset.system)];
    if (!list.nextElementSibling || !list.nextElementSibling.matches(".cut")) return;
    const cut = list.nextElementSibling;
    const left = () => data.systems[system.number].findings.length - list.children.length;
    const more = press("", () => {
      const first = list.children.length;
      system.findings.slice(first, first + LISTED * 5).forEach((finding, at) => {
        const severity = make("span", finding.severity);
        severity.className = "severity";
        const item = make("li", "", severity, " ");
        item.id = finding.id;
        item.className = finding.severity;
        if (finding.start !== null) {
          const a = make("a", place(finding.start, finding.end));
          a.href = "#picture";
          a.dataset.finding = `${system.number}-${first + at}`;
          lead(a);
          item.append(a, ": ");
        }
        item.append(`${finding.message} [${finding.rule}]`);
        list.append(item);
      });
      tellLeft();
    });
    const tellLeft = () => { if (left()) more.textContent = `show more: ${left()} are left`; else cut.remove(); };
    tellLeft();
    cut.replaceChildren(more);
  });

  tools.hidden = false;
  details.hidden = false;
  release();
  requestAnimationFrame(() => setTimeout(flags));
  const follow = () => { if (/^#0x[0-9a-f]+(-0x[0-9a-f]+)?$/i.test(location.hash)) search(location.hash.slice(1)); };
  addEventListener("hashchange", follow);
  follow();
})();
