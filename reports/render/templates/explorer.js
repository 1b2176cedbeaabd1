"use strict";
// Hides what is not asked for. It reads numbers and compares text; it never writes markup.
(() => {
  const box = document.getElementById("explorer");
  const controls = document.getElementById("explorer-controls");
  const said = document.getElementById("explorer-said");
  const more = document.getElementById("explorer-more");
  const items = Array.from(box.querySelectorAll("details[data-task]"));
  const lists = Array.from(controls.querySelectorAll("select"));
  const text = controls.querySelector("input");
  const step = 20;
  let room = step;
  let words = null;

  const show = () => {
    const wanted = text.value.trim().toLowerCase();
    if (wanted && !words) {
      words = items.map((item) => item.textContent.toLowerCase());
    }
    let found = 0;
    items.forEach((item, k) => {
      const fits = lists.every((list) => !list.value || item.dataset[list.name] === list.value) &&
        (!wanted || words[k].includes(wanted));
      found += fits ? 1 : 0;
      item.hidden = !fits || found > room;
    });
    said.textContent = `${Math.min(found, room)} of ${found} that fit are shown`;
    more.hidden = found <= room;
  };

  controls.addEventListener("input", () => {
    room = step;
    show();
  });
  more.addEventListener("click", () => {
    const next = items.find((item) => item.hidden);
    room += step;
    show();
    if (next && !next.hidden) {
      next.querySelector("summary").focus();
    }
  });
  controls.hidden = false;
  show();
})();
