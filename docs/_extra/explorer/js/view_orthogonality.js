/** View (c): log10|QᵀQ − I| as a heat map, and the largest entry of each row beside it. */

import { cells, frame, scale, svg } from "./chart.js";
import { number } from "./tables.js";

const HEIGHT = 360;

/** @type {import("./views.js").View} */
export const orthogonality = {
  draw(host, { loss, problem }, { step }) {
    const k = loss.rows.length;
    const width = Math.max(240, host.clientWidth);
    const chart = frame(host, {
      height: Math.min(HEIGHT, 0.68 * width),
      right: 0.68 * width,
      square: true,
      label: "Heat map of the logarithm of |QᵀQ − I|; beside it the largest entry of each row left of the diagonal",
      x: { from: 0, to: k, title: "column of Q" },
      y: { from: 0, to: k, title: "row" },
    });
    const ramp = colours(host);
    chart.plot.append(cells(chart, k, (i, j) => ramp(loss.rows[Math.max(i, j)][Math.min(i, j)])));
    const side = chart.x(Math.min(step, k)) - chart.box.left;
    if (side > 0)
      chart.plot.append(
        svg("rect", { class: "cursor", x: chart.box.left, y: chart.box.top, width: side, height: side }),
      );
    beside(chart, Math.min(width - 12, chart.box.right + 220), loss, problem.arithmetic.u);
  },
  table({ loss, process }, { step }) {
    const rows = loss.rows.map((row, j) => [
      j + 1,
      j ? Math.max(...row.slice(0, -1)) : 0,
      row[j],
      loss.largest[j],
      process.beta[j],
    ]);
    return [
      "Loss of orthogonality",
      ["j", "largest |qᵢᵀqⱼ|, i < j", "|‖qⱼ‖² − 1|", "largest entry up to j", "βⱼ₊₁"],
      rows,
      Math.min(step, rows.length) - 1,
    ];
  },
  words({ loss, process }, { step }) {
    const k = Math.min(step, loss.rows.length);
    if (k === 0) return "";
    const extra = process.reorthogonalized
      ? ` ${process.reorthogonalized} of ${process.Q.length} vectors reorthogonalized, ${process.subtracted} subtracted.`
      : "";
    return `|QᵀQ − I| up to ${number(loss.largest[k - 1], 2)}.${extra}`;
  },
};

/** The largest |qᵢᵀqⱼ|, i < j, of each row j, on a log axis right of the map, with u, √u and 1. */
function beside({ root, y, box }, end, { rows }, u) {
  const x = scale({ from: u / 4, to: 1, log: true, at: box.right + 18, end });
  for (const [value, text] of [
    [u, "u"],
    [Math.sqrt(u), "√u"],
    [1, "1"],
  ])
    root.append(
      svg("line", { class: "grid", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom }),
      svg("text", { class: "tick", x: x(value), y: box.bottom + 16, "text-anchor": "middle" }, text),
    );
  const points = rows.map((row, j) => [x(Math.max(u / 4, ...row.slice(0, j))), y(j + 0.5)]);
  root.append(
    svg("path", {
      class: "line cg",
      d: "M" + points.map((point) => point.map((c) => c.toFixed(1)).join(" ")).join("L"),
    }),
  );
}

/** log10 of a value from −16 to 0 → colour between the style sheet's --heat-0 … --heat-4. */
function colours(element) {
  const style = getComputedStyle(element);
  const stops = [0, 1, 2, 3, 4].map((i) =>
    style
      .getPropertyValue(`--heat-${i}`)
      .match(/\w\w/g)
      .map((hex) => parseInt(hex, 16)),
  );
  return (value) => {
    const t = 4 * Math.min(1, Math.max(0, 1 + Math.log10(Math.max(value, 1e-17)) / 16));
    const i = Math.min(3, Math.floor(t));
    return stops[i].map((c, at) => c + (t - i) * (stops[i + 1][at] - c));
  };
}
