/** View (a): errors, residual and bounds over the steps. */

import { cursor, frame, line, marks } from "./chart.js";
import { number } from "./tables.js";

const HEIGHT = 320;

/** @type {import("./views.js").View} */
export const convergence = {
  draw(host, { convergence: c, problem }, { steps, step }) {
    if (!c)
      return host.replaceChildren(
        note(
          "A, rounded to this precision, is not positive definite: κ is beyond 1/u. There is no A-norm to measure in.",
        ),
      );
    const least = Math.min(c.floor, ...c.cg.error, ...c.lanczos.error, ...c.cg.residual);
    const chart = frame(host, {
      height: HEIGHT,
      label: "Relative A-norm error of conjugate gradients, Lanczos and the Neumann series over the steps, with bounds",
      x: { from: 0, to: steps, title: "steps (products with A)" },
      y: {
        from: Math.max(least / 5, problem.arithmetic.u / 100),
        to: Math.min(1e3, Math.max(3, ...c.cg.residual) * 1.3),
        log: true,
        title: "relative error",
      },
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
    const rows = !c
      ? []
      : Array.from({ length: steps + 1 }, (_, k) => [
          k,
          c.cg.error[k],
          c.cg.residual[k],
          c.lanczos.error[k],
          c.neumann.error[k],
          c.lower[k],
          c.upper[k],
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
      return `${errors}; the lower bound, ${number(lower, 2)}, is above the upper, ${number(upper, 2)}: μ > λ₁.`;
    const range =
      lower === undefined ? `at most ${number(upper, 2)}` : `between ${number(lower, 2)} and ${number(upper, 2)}`;
    return `${errors}; by the bounds ${range}${upper < c.floor ? ", below the floor, where they say nothing" : ""}.`;
  },
};

function note(text) {
  return Object.assign(document.createElement("p"), { className: "note", textContent: text });
}
