/** The matrix A = H diag(λ) H, H = I − 2wwᵀ: a given spectrum, known eigenvectors, and not diagonal. */

import { DOUBLE } from "./precision.js";
import { normalVector } from "./random.js";

/** A random unit vector. */
export function unitVector(n, seed) {
  const g = normalVector(n, seed);
  return DOUBLE.over(g, DOUBLE.norm(g));
}

/** H x = x − 2w(wᵀx), w a unit vector. Column i of H is the eigenvector of λ_i. */
export function reflect(w, x) {
  const y = x.slice();
  DOUBLE.add(y, -2 * DOUBLE.dot(w, x), w);
  return y;
}

/**
 * HΛH = Λ − 2(Λw)wᵀ − 2w(Λw)ᵀ + 4(wᵀΛw)wwᵀ, exactly symmetric.
 * @param {Float64Array} lambda
 * @param {Float64Array} w unit vector
 * @returns {import("./precision.js").Matrix}
 */
export function reflected(lambda, w) {
  const n = lambda.length;
  let s = 0; // wᵀΛw
  for (let i = 0; i < n; i++) s += lambda[i] * w[i] * w[i];
  return symmetric(n, (i, j) => w[i] * w[j] * (4 * s - 2 * (lambda[i] + lambda[j])) + (i === j ? lambda[i] : 0));
}

/** The symmetric n × n matrix with the entries f(i, j), i ≥ j. */
export function symmetric(n, f) {
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) data[i * n + j] = data[j * n + i] = f(i, j);
  return { n, data };
}

/** A + t E. */
export function shifted(A, t, E) {
  return { n: A.n, data: A.data.map((a, i) => a + t * E.data[i]) };
}

/** ‖A‖_F. */
export function frobenius(A) {
  return Math.sqrt(A.data.reduce((sum, a) => sum + a * a, 0));
}

/** ‖A‖₁, the largest column sum of moduli. */
export function norm1(A) {
  const sums = new Float64Array(A.n);
  A.data.forEach((a, at) => (sums[at % A.n] += Math.abs(a)));
  return Math.max(...sums);
}

/** ‖x‖_A = √(xᵀA x). */
export function energyNorm(A, x) {
  return Math.sqrt(Math.max(0, DOUBLE.dot(x, DOUBLE.multiply(A, x))));
}
