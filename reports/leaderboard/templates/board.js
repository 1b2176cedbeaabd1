"use strict";
// Sorts and hides rows. It moves elements and compares text; it never writes markup.
(() => {
  const tables = Array.from(document.querySelectorAll("table.board"));
  const controls = document.getElementById("controls");
  const said = document.getElementById("said");
  const inputs = Array.from(controls.querySelectorAll("input, select"));
  const bodies = tables.map((table) => table.tBodies[0]);
  const first = bodies.map((body) => Array.from(body.rows));
  let order = null;

  const wanted = () => {
    const found = new URLSearchParams(location.hash.slice(1));
    return found.has("sort") || inputs.some((i) => found.has(i.name)) ? found : null;
  };

  const remember = () => {
    const now = new URLSearchParams();
    for (const input of inputs) {
      const value = input.type === "checkbox" ? (input.checked ? "" : "no") : input.value.trim();
      if (value) {
        now.set(input.name, value);
      }
    }
    if (order) {
      now.set("sort", order.join("."));
    }
    const words = now.toString();
    history.replaceState(null, "", words ? `#${words}` : location.pathname + location.search);
  };

  const show = () => {
    const text = controls.querySelector("[name=q]").value.trim().toLowerCase();
    const references = controls.querySelector("[name=references]").checked;
    const lists = inputs.filter((input) => input.tagName === "SELECT" && input.value);
    let shown = 0;
    let all = 0;
    for (const rows of first) {
      for (const row of rows) {
        const fits = (references || row.dataset.reference !== "yes") &&
          lists.every((list) => row.dataset[list.name] === list.value) &&
          (!text || row.dataset.words.toLowerCase().includes(text));
        row.hidden = !fits;
        shown += fits ? 1 : 0;
        all += 1;
      }
    }
    said.textContent = `${shown} of ${all} rows`;
  };

  const sort = () => {
    bodies.forEach((body, k) => {
      let rows = first[k];
      if (order) {
        const [name, way] = order;
        const column = Array.from(tables[k].tHead.rows[0].cells)
          .findIndex((cell) => cell.dataset.sort === name);
        const value = (row) => row.cells[column].dataset.value;
        const sign = way === "up" ? 1 : -1;
        rows = column < 0 ? rows : rows.slice().sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === "" || y === "") {
            return (x === "") - (y === "");
          }
          return sign * (name === "name" ? x.localeCompare(y) : Number(x) - Number(y));
        });
      }
      body.append(...rows);
      for (const cell of tables[k].tHead.rows[0].cells) {
        const own = order && cell.dataset.sort === order[0];
        if (own) {
          cell.setAttribute("aria-sort", order[1] === "up" ? "ascending" : "descending");
        } else {
          cell.removeAttribute("aria-sort");
        }
      }
    });
  };

  const restore = () => {
    const found = wanted();
    if (!found) {
      return;
    }
    for (const input of inputs) {
      const value = found.get(input.name) ?? "";
      if (input.type === "checkbox") {
        input.checked = value !== "no";
      } else {
        input.value = value;
      }
    }
    const [name, way] = (found.get("sort") ?? "").split(".");
    order = name ? [name, way === "up" ? "up" : "down"] : null;
  };

  for (const table of tables) {
    for (const cell of table.tHead.rows[0].cells) {
      const button = cell.querySelector("button");
      if (button) {
        button.disabled = false;
        button.addEventListener("click", () => {
          const name = cell.dataset.sort;
          const usual = cell.dataset.first;
          const other = usual === "up" ? "down" : "up";
          if (order && order[0] === name) {
            order = order[1] === usual ? [name, other] : null;
          } else {
            order = [name, usual];
          }
          sort();
          remember();
        });
      }
    }
  }
  controls.addEventListener("input", () => {
    show();
    remember();
  });
  addEventListener("hashchange", () => {
    restore();
    sort();
    show();
  });
  controls.hidden = false;
  restore();
  sort();
  show();
})();
