"use strict";
// Looks up what was computed; it computes nothing and writes text alone.
(() => {
  const boards = JSON.parse(document.getElementById("pairs").textContent);
  const controls = document.getElementById("controls");
  const [which, one, two] = ["ranking", "a", "b"].map((name) => controls.querySelector(`[name=${name}]`));
  const result = document.getElementById("result");
  const body = document.getElementById("figures");
  const said = document.getElementById("said");
  const words = {
    variant: "Accuracy on variants, %", canonical: "Canonical accuracy, %", drop: "Drop, all families",
    lexical: "Drop, lexical", ordering: "Drop, ordering", phrasing: "Drop, phrasing",
  };
  const signed = (x) => x === null ? "\u2013" : (x > 0 ? "+" : "") + x.toFixed(1);
  const plain = (x) => x === null ? "\u2013" : x.toFixed(1);
  const value = (found, points) => {
    const form = points ? signed : plain;
    const [at, low, high] = found;
    return low === null ? form(at) : `${form(at)} [${form(low)}, ${form(high)}]`;
  };
  const options = (list, names) => list.replaceChildren(...names.map((name, k) => new Option(name, String(k))));
  const board = () => boards[Number(which.value)];

  const fill = () => {
    const names = board().names.map((name, k) => name);
    options(one, names);
    options(two, names);
    two.value = String(Math.min(1, names.length - 1));
  };

  const place = (a, b, n) => a * n - a * (a + 1) / 2 + b - a - 1;

  const show = () => {
    const found = board();
    const [a, b] = [Number(one.value), Number(two.value)];
    const n = found.names.length;
    const same = a === b;
    body.replaceChildren(...found.quantities.map((quantity, q) => {
      const points = quantity !== "variant" && quantity !== "canonical";
      let apart = [null, null, null];
      if (!same) {
        const k = 3 * place(Math.min(a, b), Math.max(a, b), n);
        const [at, low, high] = found.differences[quantity].slice(k, k + 3);
        apart = a < b ? [at, low, high] : [at, high, low].map((x) => x === null ? null : 0 - x);
      }
      const told = apart[1] === null ? "no interval"
        : apart[1] > 0 ? "A is higher" : apart[2] < 0 ? "B is higher" : "not shown to differ";
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = words[quantity] ?? quantity;
      row.append(head);
      const own = [a, b].map((k) => value(found.values[k][q], points));
      [same ? "" : value(apart, true), same ? "" : told, ...own]
        .forEach((text, c) => {
          const cell = document.createElement("td");
          cell.className = c === 1 ? "shown" : "n";
          cell.textContent = text;
          row.append(cell);
        });
      return row;
    }));
    document.getElementById("name-a").textContent = found.names[a];
    document.getElementById("name-b").textContent = found.names[b];
    const where = [a, b].map((k) => found.places[k] === null ? "no place" : found.places[k][0] === found.places[k][1]
      ? `place ${found.places[k][0]}` : `places ${found.places[k][0]} to ${found.places[k][1]}`);
    said.textContent = same ? "Choose two different checkpoints." : `A: ${where[0]}. B: ${where[1]}.`;
    result.hidden = false;
    const now = new URLSearchParams({ranking: found.id, a: found.ids[a], b: found.ids[b]});
    history.replaceState(null, "", `#${now}`);
  };

  const restore = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const ids = [asked.get("a"), asked.get("b")];
    let k = boards.findIndex((found) => found.id === asked.get("ranking"));
    k = k < 0 ? boards.findIndex((found) => ids.some(Boolean) && ids.every((id) => !id || found.ids.includes(id))) : k;
    which.value = String(Math.max(k, 0));
    fill();
    const [a, b] = ids.map((id) => board().ids.indexOf(id));
    if (a >= 0) {
      one.value = String(a);
      two.value = String(a === 0 ? Math.min(1, board().names.length - 1) : 0);
    }
    if (b >= 0) {
      two.value = String(b);
    }
    show();
  };

  if (!boards.length) {
    return;
  }
  options(which, boards.map((found) => `${found.task} (${found.names.length}, ${found.id})`));
  which.addEventListener("input", () => {
    fill();
    show();
  });
  one.addEventListener("input", show);
  two.addEventListener("input", show);
  addEventListener("hashchange", restore);
  controls.hidden = false;
  restore();
})();
