/** The four views: each draws a chart, and gives the rows of its table and its part of the readout. */

import { cells, cursor, frame, line, marks, scale, svg } from "./chart.js";
import { number } from "./tables.js";

/**
 * @typedef {Object} Results
 * @property {import("./experiment.js").Problem} problem
 * @property {import("./lanczos.js").Process} process
 * @property {ReturnType<import("./experiment.js").convergence>} convergence
 * @property {(k: number) => import("./ritz.js").Ritz[]} ritz
 * @property {ReturnType<import("./experiment.js").lossOf>} loss
 * @property {ReturnType<import("./experiment.js").moving>} moving
 */

const HEIGHT = 320;

/** (a) errors, residual and bounds over the steps. */
export const convergence = {
  draw(host, { convergence: c, problem }, { steps, step }) {
    if (!c) return host.replaceChildren(note("A, rounded to this precision, is not positive definite: κ is beyond 1/u. There is no A-norm to measure in."));
    const least = Math.min(c.floor, ...c.cg.error, ...c.lanczos.error, ...c.cg.residual);
    const chart = frame(host, {
      height: HEIGHT,
      label: "Relative A-norm error of conjugate gradients, Lanczos and the Neumann series over the steps, with bounds",
      x: { from: 0, to: steps, title: "steps (products with A)" },
      y: { from: Math.max(least / 5, problem.arithmetic.u / 100), to: Math.min(1e3, Math.max(3, ...c.cg.residual) * 1.3), log: true, title: "relative error" },
    });
    chart.plot.append(
      cursor(chart, step),
      line(chart, Array(steps + 1).fill(c.floor), "floor"),
      line(chart, c.cg.residual, "residual"),
      line(chart, c.neumann.error, "neumann"),
      line(chart, c.upper, "upper"),
      line(chart, c.lower, "lower"),
      line(chart, c.lanczos.error, "lanczos"),
      line(chart, c.cg.error, "cg"),
    );
    const at = (values, shape, name) =>
      values[step] > 0 && chart.plot.append(marks([[chart.x(step), chart.y(values[step])]], shape, name, 4));
    at(c.upper, "triangle", "upper");
    at(c.lower, "triangle", "lower");
    at(c.lanczos.error, "square", "lanczos");
    at(c.cg.error, "dot", "cg");
  },
  table({ convergence: c }, { steps, step }) {
    const rows = !c ? [] : Array.from({ length: steps + 1 }, (_, k) => [
      k, c.cg.error[k], c.cg.residual[k], c.lanczos.error[k], c.neumann.error[k], c.lower[k], c.upper[k],
    ]);
    const heads = ["step", "CG error", "CG residual", "Lanczos error", "Neumann error", "Gauss", "Gauss–Radau"];
    return ["Relative A-norm errors, relative residual, bounds", heads, rows, step];
  },
  words({ convergence: c }, { step }) {
    if (!c) return "A, rounded, is not positive definite.";
    const error = (name, { error: list }) => {
      const k = Math.min(step, list.length - 1);
      const end = k < step ? ` (ended at step ${k})` : list[k] < c.floor ? " (at the accuracy floor)" : "";
      return `${name} error ${number(list[k], 2)}${end}`;
    };
    const errors = `${error("CG", c.cg)}, ${error("Lanczos", c.lanczos)}`;
    const [lower, upper] = [c.lower[step], c.upper[step]];
    if (lower === undefined && upper === undefined) return `${errors}; no bound.`;
    if (lower > upper * (1 + 1e-6) && upper > c.floor)
      return `${errors}; the lower bound, ${number(lower, 2)}, is above the upper, ${number(upper, 2)}: μ is too large.`;
    const range = lower === undefined ? `at most ${number(upper, 2)}` : `between ${number(lower, 2)} and ${number(upper, 2)}`;
    return `${errors}; by the bounds ${range}${upper < c.floor ? ", below the floor, where they say nothing" : ""}.`;
  },
};

/** (b) Ritz values over the steps. */
export const ritz = {
  draw(host, { ritz: of, process, problem }, { steps, step, axis }) {
    const { lambda } = problem;
    const log = axis === "log";
    const pad = 0.03 * (1 - lambda[0]);
    const chart = frame(host, {
      height: HEIGHT + 40,
      label: "Ritz values over the steps; eigenvalues as ticks on the right; ghosts as crosses",
      x: { from: 0, to: steps, title: "steps" },
      y: log ? { from: lambda[0] / 1.3, to: 1.3, log, title: "λ" } : { from: Math.min(0, lambda[0] - pad), to: 1 + pad, title: "λ" },
    });
    const levels = Array.from(lambda, (l) => `M${chart.box.left} ${chart.y(l).toFixed(1)}H${chart.box.right}`).join("");
    const kinds = { walking: [], converged: [], ghost: [] };
    const tolerance = Math.sqrt(problem.arithmetic.u);
    const last = Math.min(step, process.alpha.length);
    for (let k = 1; k <= last; k++)
      for (const { theta, residual, ghost } of of(k))
        kinds[ghost ? "ghost" : residual <= tolerance ? "converged" : "walking"].push([chart.x(k), chart.y(theta)]);
    const drawable = (points) => points.filter(([, py]) => Number.isFinite(py));
    chart.plot.append(
      svg("path", { class: "eigenvalues", d: levels }),
      cursor(chart, step),
      marks(drawable(kinds.converged), "bar", "converged", (chart.x(1) - chart.x(0)) / 2),
      marks(drawable(kinds.walking), "dot", "walking"),
      marks(drawable(kinds.ghost), "cross", "ghost", 2.6),
    );
  },
  table({ ritz: of, process, problem }, { step }) {
    const k = Math.min(step, process.alpha.length);
    const rows = of(k).map(({ theta, residual, ghost }, i) => {
      const nearest = problem.lambda.reduce((best, l) => (Math.abs(l - theta) < Math.abs(best - theta) ? l : best));
      return [i + 1, number(theta, 8), number(nearest, 8), residual, ghost ? "ghost" : ""];
    });
    return [`Ritz values of step ${k}`, ["i", "Ritz value", "nearest eigenvalue", "residual", ""], rows];
  },
  words({ ritz: of, process, problem }, { step }) {
    const k = Math.min(step, process.alpha.length);
    const all = of(k);
    const ghosts = all.filter((r) => r.ghost).length;
    const converged = all.filter((r) => !r.ghost && r.residual <= Math.sqrt(problem.arithmetic.u)).length;
    const end = process.breakdown && k === process.alpha.length ? " The space is invariant: Lanczos ends here." : "";
    return `${count(k, "Ritz value")}, ${converged} converged, ${count(ghosts, "ghost")}.${end}`;
  },
};

/** (c) |QᵀQ − I|. */
export const orthogonality = {
  draw(host, { loss, problem }, { step }) {
    const k = loss.rows.length;
    const width = Math.max(240, host.clientWidth);
    const chart = frame(host, {
      height: Math.min(HEIGHT + 40, 0.68 * width), right: 0.68 * width, square: true,
      label: "Heat map of the logarithm of the entries of Q transposed Q minus the identity; beside it the largest of each row left of the diagonal",
      x: { from: 0, to: k, title: "column of Q" },
      y: { from: 0, to: k, title: "row" },
    });
    const ramp = colours(host);
    chart.plot.append(cells(chart, k, (i, j) => ramp(loss.rows[Math.max(i, j)][Math.min(i, j)])));
    const side = chart.x(Math.min(step, k)) - chart.box.left;
    if (side > 0) chart.plot.append(svg("rect", { class: "cursor", x: chart.box.left, y: chart.box.top, width: side, height: side }));
    beside(chart, Math.min(width - 12, chart.box.right + 220), loss, problem.arithmetic.u);
  },
  table({ loss, process }, { step }) {
    const rows = loss.rows.map((row, j) => [j + 1, j ? Math.max(...row.slice(0, -1)) : 0, row[j], loss.largest[j], process.beta[j]]);
    return ["Loss of orthogonality", ["j", "largest |qᵢᵀqⱼ|, i < j", "|‖qⱼ‖² − 1|", "largest entry up to j", "βⱼ₊₁"], rows, Math.min(step, rows.length) - 1];
  },
  words({ loss, process }, { step }) {
    const k = Math.min(step, loss.rows.length);
    if (k === 0) return "";
    const extra = process.reorthogonalized ? ` ${process.reorthogonalized} of ${loss.rows.length} vectors reorthogonalized, against ${process.subtracted} in all.` : "";
    return `|QᵀQ − I| up to ${number(loss.largest[k - 1], 2)}.${extra}`;
  },
};

/** The largest |qᵢᵀqⱼ|, i < j, of each row j, on a log axis right of the map, with u, √u and 1. */
function beside({ root, y, box }, end, { rows }, u) {
  const x = scale({ from: u / 4, to: 1, log: true, at: box.right + 18, end });
  for (const [value, text] of [[u, "u"], [Math.sqrt(u), "√u"], [1, "1"]])
    root.append(
      svg("line", { class: "grid", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom }),
      svg("text", { class: "tick", x: x(value), y: box.bottom + 16, "text-anchor": "middle" }, text),
    );
  const points = rows.map((row, j) => [x(Math.max(u / 4, ...row.slice(0, j))), y(j + 0.5)]);
  root.append(svg("path", { class: "line cg", d: "M" + points.map((point) => point.map((c) => c.toFixed(1)).join(" ")).join("L") }));
}

/** (d) LancBiO on a matrix that moves. */
export const moving = {
  draw(host, { moving: { rows, error, gradient } }, { step }) {
    const shown = [...error, ...gradient].filter((e) => e > 0);
    const chart = frame(host, {
      height: HEIGHT,
      label: "Relative error of LancBiO's v_k over the iterations; restarts, indefinite T and the number of columns below",
      x: { from: 0, to: rows.length, title: "iterations" },
      y: { from: Math.max(1e-17, Math.min(0.1, ...shown) / 40), to: Math.max(3, ...shown) * 1.5, log: true, title: "relative error" },
    });
    const { x, y, box } = chart;
    const most = Math.max(...rows.map((row) => row.columns));
    for (const { k, columns } of rows) {
      const height = (columns / most) * 36;
      chart.plot.append(svg("rect", { class: "columns", x: x(k) - 1.5, y: box.bottom - height, width: 3, height }));
    }
    const pick = (test) => rows.filter((row) => test(row) && error[row.k - 1] > 0).map((row) => [x(row.k), y(error[row.k - 1])]);
    chart.plot.append(
      cursor(chart, Math.min(step, rows.length)),
      line(chart, gradient, "neumann", 1),
      line(chart, error, "cg", 1),
      marks(pick((row) => row.restarted), "square", "restart", 3),
      marks(pick((row) => row.indefinite || row.singular), "cross", "ghost", 4),
    );
  },
  table({ moving: { rows, error, gradient } }, { step }) {
    const yes = (flag) => (flag ? "yes" : "");
    const lines = rows.map((row, i) => [row.k, error[i], gradient[i], row.m, row.columns, yes(row.restarted), row.singular ? "singular" : yes(row.indefinite)]);
    return ["LancBiO by iterations", ["k", "error", "gradient step", "m", "columns", "restart", "T indefinite"], lines, step - 1];
  },
  words({ moving: { rows, error } }, { step }) {
    const k = Math.min(step, rows.length);
    if (k === 0) return "";
    const row = rows[k - 1];
    const facts = [
      row.restarted && "restarted", row.exact && "b = w", row.singular && "T singular", row.indefinite && "T indefinite",
      row.breakdown && "breakdown", Number.isNaN(error[k - 1]) && "A itself is not positive definite",
    ].filter(Boolean);
    const errorText = Number.isNaN(error[k - 1]) ? "" : `error ${number(error[k - 1], 2)}, `;
    return `LancBiO, iteration ${k}: ${errorText}${count(row.columns, "column")} of ${row.m}${facts.length ? `; ${facts.join(", ")}` : ""}.`;
  },
};

/** "1 ghost", "2 ghosts". */
function count(k, noun) {
  return `${k} ${noun}${k === 1 ? "" : "s"}`;
}

function note(text) {
  return Object.assign(document.createElement("p"), { className: "note", textContent: text });
}

/** log10 of a value from −16 to 0 → colour between the style sheet's --heat-0 … --heat-4. */
export function colours(element) {
  const style = getComputedStyle(element);
  const stops = [0, 1, 2, 3, 4].map((i) => style.getPropertyValue(`--heat-${i}`).match(/\w\w/g).map((hex) => parseInt(hex, 16)));
  return (value) => {
    const t = 4 * Math.min(1, Math.max(0, 1 + Math.log10(Math.max(value, 1e-17)) / 16));
    const i = Math.min(3, Math.floor(t));
    return stops[i].map((c, at) => c + (t - i) * (stops[i + 1][at] - c));
  };
}
