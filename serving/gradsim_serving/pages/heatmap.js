// The similarity matrix as a table of colours, by pointer and by arrow keys.

import { h } from "./service.js";

const MANY = 16; // languages from which on cells are too small for numbers

/**
 * Return the table and the line that tells the pair under the pointer; languages of one group stand together.
 * Colours change sides at `centre`.
 */
export function heatmap({ languages, similarity }, groups, names, centre) {
  const place = new Map(groups.flatMap(({ serves }) => serves).map((code, at) => [code, at]));
  const order = languages.map((_, at) => at).sort((a, b) => (place.get(languages[a]) ?? 1e6) - (place.get(languages[b]) ?? 1e6));
  const name = (at) => names.get(languages[at]) ?? languages[at];
  const others = order.flatMap((row) => order.filter((column) => column !== row).map((column) => Math.abs(similarity[row][column] - centre)));
  const most = Math.max(...others, 1e-9);
  const pair = h("p", { class: "pair", "aria-live": "polite" }, "Point at a cell, or walk with the arrow keys.");
  const cells = order.map((row) => order.map((column) => cell(similarity[row][column], row === column, { centre, most }, `${name(column)} for ${name(row)}`, pair)));
  if (cells.length) cells[0][0].tabIndex = 0;
  const table = h(
    "table",
    { class: `heat ${languages.length > MANY ? "many" : ""}`, onkeydown: (event) => walk(event, cells) },
    h("thead", {}, h("tr", {}, h("td", { class: "corner" }), ...order.map((at) => h("th", { scope: "col" }, h("span", {}, name(at)))))),
    h("tbody", {}, ...order.map((at, row) => h("tr", {}, h("th", { scope: "row" }, name(at)), ...cells[row]))),
  );
  return [pair, h("div", { class: "scroll" }, table)];
}

function cell(value, same, { centre, most }, words, pair) {
  const tell = () => (pair.textContent = same ? `${words.split(" for ")[0]} with itself: ${signed(value)}` : `${words}: ${signed(value)}`);
  const found = h("td", { class: same ? "self" : "", tabindex: "-1", onmouseenter: tell, onfocus: tell }, signed(value));
  if (!same) {
    const share = Math.min(1, Math.abs(value - centre) / most);
    found.style.background = `color-mix(in srgb, var(--${value < centre ? "harms" : "helps"}) ${Math.round(100 * share)}%, var(--raised))`;
  }
  return found;
}

const signed = (value) => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;

function walk(event, cells) {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const row = cells.findIndex((some) => some.includes(event.target));
  const next = step && row >= 0 && cells[row + step[0]]?.[cells[row].indexOf(event.target) + step[1]];
  if (!next) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
