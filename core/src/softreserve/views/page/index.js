"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const body = find("machines").tBodies[0];
  const heads = [...find("machines").tHead.rows[0].cells];
  const rows = [...body.rows];
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  let by = null, down = false;

  // a row of a machine that could not be shown has fewer cells, and stays at the end
  const key = (row, number) => {
    if (row.className !== "failed") return row.cells[number].dataset.by;
    return number === 0 ? row.cells[0].dataset.by : number === heads.length - 1 ? row.cells[2].dataset.by : null;
  };

  function sort(number) {
    down = by === number && !down;
    by = number;
    heads.forEach((head, other) => {
      if (other === number) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const found = rows.map((row) => [key(row, number), row]);
    found.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : (down ? -1 : 1) * compare(a, b)));
    body.append(...found.map(([, row]) => row));
  }

  heads.forEach((head, number) => {
    const press = document.createElement("button");
    press.type = "button";
    press.textContent = head.textContent;
    press.addEventListener("click", () => sort(number));
    head.replaceChildren(press);
  });

  find("only").addEventListener("input", () => {
    const wanted = find("only").value.trim().toLowerCase();
    rows.forEach((row) => { row.hidden = !row.textContent.toLowerCase().includes(wanted); });
    const left = rows.filter((row) => !row.hidden).length;
    find("said").textContent = left < rows.length ? `${left} of ${rows.length} rows` : "";
  });
  find("tools").addEventListener("submit", (event) => event.preventDefault());
  find("tools").hidden = false;
})();
