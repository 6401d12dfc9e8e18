/**
 * LancBiO (Yang, Gao, Yuan 2025, Algorithm 2): v_k ≈ A_k⁻¹b_k while A and b move, one Lanczos step an iteration.
 *
 * A restart: v̄ = v_{k−1}, w = A_k v̄, q_1 = (b_k − w)/‖b_k − w‖, Q and T empty. Every iteration, with the A_k and b_k
 * of now but the w of the last restart:
 *
 *   u = A_k q_j − β_j q_{j−1};  α_j = q_jᵀu;  Δv = Q_j T_j⁻¹Q_jᵀ(b_k − w);  v_k = v̄ + Δv
 *   ω = u − α_j q_j;  β_{j+1} = ‖ω‖;  q_{j+1} = ω/β_{j+1}
 *
 * Since A moves, T_j is not Q_jᵀA Q_j of any one A, and may be indefinite although every A_k is positive definite.
 */

import { norm1 } from "./operator.js";
import { DOUBLE } from "./precision.js";
import { combine } from "./reorthogonalization.js";
import { countBelow, solvePivoted } from "./tridiagonal.js";

/**
 * @typedef {{initial: number, growth: number, every: number, maximum: number}} Schedule
 *   m starts at `initial`; in every iteration k with k mod every = every − 1, m ← min(⌈growth·m⌉, maximum)
 * @typedef {Object} Row
 * @property {number} k from 1
 * @property {number} m
 * @property {boolean} restarted
 * @property {number} columns of Q after the iteration
 * @property {number} [alpha] α_j; absent where b_k = w
 * @property {number} [beta] β_{j+1}
 * @property {Float64Array} v
 * @property {Float64Array} dv v_k − v̄
 * @property {boolean} exact b_k = w
 * @property {boolean} singular T_j
 * @property {boolean} indefinite T_j has a negative eigenvalue
 * @property {boolean} breakdown ω is rounding noise
 */

/**
 * @param {(k: number) => {A: import("./precision.js").Matrix, b: Float64Array}} system what iteration k = 1, 2, … sees
 * @param {Float64Array} v0
 * @param {number} iterations
 * @param {Schedule} schedule
 * @returns {Row[]}
 */
export function lancbio(system, v0, iterations, { initial, growth, every, maximum }, arithmetic = DOUBLE) {
  const { u: roundoff, fl, dot, norm, add, over, minus, multiply } = arithmetic;
  const n = v0.length;
  const rows = [];
  let [m, due] = [initial, true];
  let [v, vBar, w, next] = [v0, v0, v0, v0]; // next: the direction of the next basis vector, not normalized
  let [alpha, beta, Q] = [[], [], []];
  for (let k = 1; k <= iterations; k++) {
    const { A, b } = system(k);
    if (k % every === every - 1) m = Math.min(Math.ceil(growth * m), maximum);
    const restarted = due || m === 1 || k % m === 1 || Q.length >= Math.min(maximum, n);
    if (restarted) {
      [vBar, w] = [v, multiply(A, v)];
      [alpha, beta, Q] = [[], [], []];
      next = minus(b, w);
    }
    const r = minus(b, w);
    const row = {
      k,
      m,
      restarted,
      exact: r.every((ri) => ri === 0),
      singular: false,
      indefinite: false,
      breakdown: false,
    };
    if (row.exact) v = vBar;
    else {
      const q = over(next, restarted ? norm(next) : beta.at(-1));
      const omega = multiply(A, q);
      if (Q.length > 0) add(omega, -beta.at(-1), Q.at(-1)); // u = A_k q_j − β_j q_{j−1}
      alpha.push(dot(q, omega));
      add(omega, -alpha.at(-1), q); // ω = u − α_j q_j
      Q.push(q);
      const { y, singular } = solvePivoted(
        alpha,
        beta,
        Q.map((x) => dot(x, r)),
        fl,
      );
      if (!singular) {
        row.dv = combine(arithmetic, Q, y);
        v = vBar.map((x, i) => fl(x + row.dv[i]));
      }
      beta.push(norm(omega));
      next = omega;
      row.alpha = alpha.at(-1);
      row.beta = beta.at(-1);
      row.singular = singular;
      row.indefinite = countBelow(alpha, beta, 0) > 0;
      row.breakdown = row.beta <= (n + 10) * roundoff * norm1(A);
    }
    due = row.exact || row.singular || row.breakdown;
    rows.push({ ...row, columns: Q.length, v, dv: row.dv ?? minus(v, vBar) });
  }
  return rows;
}
