/** View (b): Ritz values over the steps, converged or not, and ghosts. */

import { cursor, frame, marks, svg } from "./chart.js";
import { count, number } from "./tables.js";

const HEIGHT = 360;

/** @type {import("./views.js").View} */
export const ritz = {
  draw(host, { ritz: of, process, problem }, { steps, step, axis }) {
    const { lambda } = problem;
    const log = axis === "log";
    const pad = 0.03 * (1 - lambda[0]);
    const chart = frame(host, {
      height: HEIGHT,
      label: "Ritz values over the steps; eigenvalues as ticks on the right; ghosts as crosses",
      x: { from: 0, to: steps, title: "steps" },
      y: log
        ? { from: lambda[0] / 1.3, to: 1.3, log, title: "λ" }
        : { from: Math.min(0, lambda[0] - pad), to: 1 + pad, title: "λ" },
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
