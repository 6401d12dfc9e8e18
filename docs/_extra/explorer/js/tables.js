/** Numbers in words and in tables. */

/** 1.2e−5, with three digits; integers as they are; — for what there is not. */
export function number(value, digits = 3) {
  if (value === undefined || value === null || Number.isNaN(value)) return "—";
  if (value === 0 || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  const text = size >= 0.01 && size < 1000 ? value.toPrecision(digits) : value.toExponential(digits - 1);
  return text.replaceAll("-", "−"); // a line may break at a hyphen, not at a minus
}

/** "1 ghost", "2 ghosts". */
export function count(k, noun) {
  return `${k} ${noun}${k === 1 ? "" : "s"}`;
}

/**
 * @param {HTMLTableElement} table emptied
 * @param {string} caption
 * @param {string[]} heads
 * @param {Array<Array<number|string|undefined>>} rows the first cell of each heads it
 * @param {number} [current] index of the row to point out
 */
export function fill(table, caption, heads, rows, current = -1) {
  const make = (tag, text, attributes = {}) =>
    Object.assign(document.createElement(tag), { textContent: text }, attributes);
  const head = document.createElement("tr");
  head.append(...heads.map((text) => make("th", text, { scope: "col" })));
  const body = document.createElement("tbody");
  rows.forEach((cellsOfRow, i) => {
    const row = document.createElement("tr");
    if (i === current) row.setAttribute("aria-current", "step");
    row.append(
      ...cellsOfRow.map((cell, at) =>
        make(at ? "td" : "th", typeof cell === "string" ? cell : number(cell), at ? {} : { scope: "row" }),
      ),
    );
    body.append(row);
  });
  const top = document.createElement("thead");
  top.append(head);
  table.replaceChildren(make("caption", caption), top, body);
}
