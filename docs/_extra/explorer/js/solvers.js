/** Three ways to A⁻¹b from products with A. Each returns its iterates x_0 = 0, x_1, …, one product apart. */

import { DOUBLE } from "./precision.js";
import { combine } from "./reorthogonalization.js";
import { solveDefinite } from "./tridiagonal.js";

/**
 * Conjugate gradients (Hestenes and Stiefel 1952).
 * @param {import("./precision.js").Matrix} A
 * @param {Float64Array} b
 * @param {number} steps
 * @returns {Float64Array[]} fewer than steps + 1 where the residual vanishes or pᵀA p ≤ 0
 */
export function conjugateGradients(A, b, steps, arithmetic = DOUBLE) {
  const { fl, dot, add, multiply } = arithmetic;
  const x = new Float64Array(b.length);
  const r = b.slice();
  let p = r.slice();
  let square = dot(r, r);
  const iterates = [x.slice()];
  while (iterates.length <= steps && square > 0) {
    const Ap = multiply(A, p);
    const curvature = dot(p, Ap);
    if (!(curvature > 0)) break;
    const gamma = fl(square / curvature); // γ = ‖r‖²/pᵀA p
    add(x, gamma, p);
    add(r, -gamma, Ap);
    const next = dot(r, r);
    const delta = fl(next / square); // δ = ‖r⁺‖²/‖r‖²
    p = r.map((ri, i) => fl(ri + fl(delta * p[i])));
    square = next;
    iterates.push(x.slice());
  }
  return iterates;
}

/**
 * Neumann series x_k = η Σ_{i<k} (I − ηA)^i b, that is x ← x + η(b − A x).
 * @param {number} eta at most 1/‖A‖
 */
export function neumann(A, b, steps, eta, arithmetic = DOUBLE) {
  const { fl, add, minus, multiply } = arithmetic;
  const x = new Float64Array(b.length);
  const iterates = [x.slice()];
  while (iterates.length <= steps) {
    add(x, fl(eta), minus(b, multiply(A, x)));
    iterates.push(x.slice());
  }
  return iterates;
}

/**
 * x_k = Q_k T_k⁻¹‖b‖e_1 from a Lanczos process started at b: in exact arithmetic the iterates of conjugate gradients.
 * @param {import("./lanczos.js").Process} process
 * @returns {Float64Array[]} up to the first T_k that is not positive definite
 */
export function lanczosIterates(process) {
  const { alpha, beta, Q, startNorm, arithmetic } = process;
  const iterates = [new Float64Array(Q[0].length)];
  for (let k = 1; k <= Q.length; k++) {
    const f = new Float64Array(k);
    f[0] = startNorm;
    const { y, info } = solveDefinite(alpha.slice(0, k), beta, f, arithmetic.fl);
    if (info > 0) break;
    iterates.push(combine(arithmetic, Q, y));
  }
  return iterates;
}
