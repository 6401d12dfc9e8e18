/** k steps of the Lanczos process, in the order of Paige (1972). */

import { frobenius } from "./operator.js";
import { DOUBLE } from "./precision.js";
import { REORTHOGONALIZATIONS } from "./reorthogonalization.js";

/**
 * @typedef {Object} Process
 * @property {number[]} alpha α_1 … α_k
 * @property {number[]} beta β_2 … β_{k+1}
 * @property {Float64Array[]} Q q_1 … q_k
 * @property {number} startNorm ‖q1‖ as given
 * @property {boolean} breakdown β_{k+1} is at rounding level: the space is invariant
 * @property {number} reorthogonalized vectors w_j that something more than the recurrence was subtracted from
 * @property {number} subtracted how many vectors that were, over all w_j
 * @property {number} scale the largest norm of a column of T so far
 * @property {number} steps
 * @property {import("./precision.js").Arithmetic} arithmetic
 */

/**
 * A Q = Q T + β_{k+1} q_{k+1} e_kᵀ, T = tridiag(β, α, β).
 * @param {import("./precision.js").Matrix} A symmetric
 * @param {Float64Array} q1 not zero
 * @param {number} steps more than n only where orthogonality is allowed to go (none, local)
 * @param {{reorthogonalization?: string, arithmetic?: import("./precision.js").Arithmetic}} [options]
 * @returns {Process} of at most `steps` steps
 */
export function lanczos(A, q1, steps, { reorthogonalization = "none", arithmetic = DOUBLE } = {}) {
  const { u, dot, norm, add, over, multiply } = arithmetic;
  const clean = REORTHOGONALIZATIONS[reorthogonalization]();
  if (!["none", "local"].includes(reorthogonalization)) steps = Math.min(steps, A.n);
  const startNorm = norm(q1);
  const [alpha, beta, Q] = [[], [], []];
  const counts = { reorthogonalized: 0, subtracted: 0 };
  const process = { alpha, beta, Q, startNorm, breakdown: false, ...counts, scale: 0, steps, arithmetic };
  const negligible = 10 * A.n * u * frobenius(A);
  let q = over(q1, startNorm);
  while (Q.length < steps && !process.breakdown) {
    const j = Q.length;
    const w = multiply(A, q);
    if (j > 0) add(w, -beta[j - 1], Q[j - 1]); // u_j = A q_j − β_j q_{j−1}
    alpha[j] = dot(q, w); // α_j = q_jᵀu_j
    add(w, -alpha[j], q); // w_j = u_j − α_j q_j
    Q.push(q);
    let b = norm(w);
    process.scale = Math.max(process.scale, Math.hypot(j > 0 ? beta[j - 1] : 0, alpha[j], b));
    if (b > negligible) {
      const count = clean(process, w, b);
      process.subtracted += count;
      if (count > 0) {
        process.reorthogonalized++;
        b = norm(w); // β_{j+1} = ‖w_j‖
      }
    }
    beta[j] = b;
    process.breakdown = b <= negligible;
    if (!process.breakdown) q = over(w, b); // q_{j+1} = w_j/β_{j+1}
  }
  return process;
}

/**
 * |qᵢᵀqⱼ − δᵢⱼ|, computed in double whatever the precision of the process.
 * @param {Float64Array[]} Q k vectors
 * @returns {Float64Array[]} row j has the entries i = 0 … j
 */
export function orthogonalityLoss(Q) {
  return Q.map((q, j) =>
    Float64Array.from({ length: j + 1 }, (_, i) => Math.abs(DOUBLE.dot(Q[i], q) - (i === j ? 1 : 0))),
  );
}
