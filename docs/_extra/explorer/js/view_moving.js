/** View (d): LancBiO on a matrix that moves. */

import { cursor, frame, line, marks, svg } from "./chart.js";
import { count, number } from "./tables.js";

const HEIGHT = 320;

/** @type {import("./views.js").View} */
export const moving = {
  draw(host, { moving: { rows, error, gradient } }, { step }) {
    const shown = [...error, ...gradient].filter((e) => e > 0);
    const chart = frame(host, {
      height: HEIGHT,
      label:
        "Relative error of LancBiO's v_k over the iterations; restarts, indefinite T and the number of columns below",
      x: { from: 0, to: rows.length, title: "iterations" },
      y: {
        from: Math.max(1e-17, Math.min(0.1, ...shown) / 40),
        to: Math.max(3, ...shown) * 1.5,
        log: true,
        title: "relative error",
      },
    });
    const { x, y, box } = chart;
    const most = Math.max(...rows.map((row) => row.columns));
    for (const { k, columns } of rows) {
      const height = (columns / most) * 36;
      chart.plot.append(svg("rect", { class: "columns", x: x(k) - 1.5, y: box.bottom - height, width: 3, height }));
    }
    const pick = (test) =>
      rows.filter((row) => test(row) && error[row.k - 1] > 0).map((row) => [x(row.k), y(error[row.k - 1])]);
    chart.plot.append(
      cursor(chart, Math.min(step, rows.length)),
      line(chart, gradient, "neumann", 1),
      line(chart, error, "cg", 1),
      marks(
        pick((row) => row.restarted),
        "square",
        "restart",
        3,
      ),
      marks(
        pick((row) => row.indefinite || row.singular),
        "cross",
        "ghost",
        4,
      ),
    );
  },
  table({ moving: { rows, error, gradient } }, { step }) {
    const yes = (flag) => (flag ? "yes" : "");
    const lines = rows.map((row, i) => [
      row.k,
      error[i],
      gradient[i],
      row.m,
      row.columns,
      yes(row.restarted),
      row.singular ? "singular" : yes(row.indefinite),
    ]);
    return [
      "LancBiO by iterations",
      ["k", "error", "gradient step", "m", "columns", "restart", "T indefinite"],
      lines,
      step - 1,
    ];
  },
  words({ moving: { rows, error } }, { step }) {
    const k = Math.min(step, rows.length);
    if (k === 0) return "";
    const row = rows[k - 1];
    const facts = [
      row.restarted && "restarted",
      row.exact && "b = w",
      row.singular && "T singular",
      row.indefinite && "T indefinite",
      row.breakdown && "breakdown",
      Number.isNaN(error[k - 1]) && "A itself is not positive definite",
    ].filter(Boolean);
    const errorText = Number.isNaN(error[k - 1]) ? "" : `error ${number(error[k - 1], 2)}, `;
    const state = [`${errorText}${count(row.columns, "column")} of ${row.m}`, facts.join(", ")]
      .filter(Boolean)
      .join("; ");
    return `LancBiO, iteration ${k}: ${state}.`;
  },
};
