/**
 * A⁻¹b to more than double precision, to measure errors against.
 *
 * Cholesky's factorization gives κu; iterative refinement with residuals in twice the precision and the solution kept
 * as a sum v + c of two vectors gets rid of that, as long as κu is well below 1 (Higham 2002, section 12.1).
 */

import { DOUBLE } from "./precision.js";

/**
 * A = L Lᵀ.
 * @param {import("./precision.js").Matrix} A only its lower triangle is read
 * @returns {?import("./precision.js").Matrix} L, or null where a pivot is not above n·u·max a_ii: A is not positive
 *   definite to working precision
 */
export function cholesky({ n, data }) {
  const L = data.slice();
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(data[i * n + i]));
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = data[i * n + j];
      for (let k = 0; k < j; k++) sum -= L[i * n + k] * L[j * n + k]; // a_ij − Σ l_ik l_jk
      if (i > j) L[i * n + j] = sum / L[j * n + j];
      else if (sum > n * DOUBLE.u * largest) L[j * n + j] = Math.sqrt(sum);
      else return null;
    }
  }
  return { n, data: L };
}

/** L⁻ᵀL⁻¹ b. */
export function choleskySolve({ n, data: L }, b) {
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) x[i] -= L[i * n + j] * x[j];
    x[i] /= L[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    x[i] /= L[i * n + i];
    for (let j = 0; j < i; j++) x[j] -= L[i * n + j] * x[i];
  }
  return x;
}

/**
 * @param {import("./precision.js").Matrix} A symmetric
 * @param {Float64Array} b
 * @returns {?{v: Float64Array, c: Float64Array}} A⁻¹b ≈ v + c; null where A is not positive definite
 */
export function exactSolution(A, b) {
  const L = cholesky(A);
  if (!L) return null;
  const v = choleskySolve(L, b);
  const c = new Float64Array(A.n);
  for (let round = 0; round < 4; round++) {
    const d = choleskySolve(L, residual(A, b, v, c));
    for (let i = 0; i < A.n; i++) {
      const [low, rest] = [c[i] + d[i], v[i]];
      v[i] = rest + low; // v + c is kept normalized: |c| ≤ u|v|
      c[i] = low - (v[i] - rest);
    }
  }
  return { v, c };
}

/** (v + c) − x, entry by entry: the error of x. */
export function errorOf({ v, c }, x) {
  return v.map((vi, i) => vi - x[i] + c[i]);
}

/** b − A(v + c), every product exact and the sum in twice the working precision. */
function residual({ n, data }, b, v, c) {
  return b.map((bi, i) => {
    let [high, low] = [bi, 0];
    for (let j = 0; j < n; j++) {
      const a = data[i * n + j];
      const [p, e] = product(-a, v[j]);
      const sum = high + p;
      const part = sum - high;
      // Knuth's exact error of high + p, Dekker's of the product, and the second half of the solution
      low += high - (sum - part) + (p - part) + e - a * c[j];
      high = sum;
    }
    return high + low;
  });
}

/** a·b = p + e exactly (Dekker 1971). */
function product(a, b) {
  const p = a * b;
  const [a1, a2] = split(a);
  const [b1, b2] = split(b);
  return [p, a2 * b2 - (p - a1 * b1 - a2 * b1 - a1 * b2)];
}

/** a = a1 + a2, each of at most 26 bits (Veltkamp 1968). */
function split(a) {
  const t = 134217729 * a; // 2²⁷ + 1
  const a1 = t - (t - a);
  return [a1, a - a1];
}
