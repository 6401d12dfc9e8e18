/** Symmetric tridiagonal T = tridiag(β, α, β), k × k: solves, eigenvalues. Of beta the first k − 1 entries are read. */

import { DOUBLE } from "./precision.js";

/**
 * T y = f by T = L D Lᵀ, as LAPACK's ?ptsv.
 * @param {ArrayLike<number>} alpha
 * @param {ArrayLike<number>} beta
 * @param {ArrayLike<number>} f
 * @param {(x: number) => number} [fl] rounds after every operation
 * @returns {{y: Float64Array, info: number}} info 0; or j > 0 where the leading j × j block is not positive definite
 */
export function solveDefinite(alpha, beta, f, fl = (x) => x) {
  const k = alpha.length;
  const d = new Float64Array(k);
  const l = new Float64Array(k);
  const y = Float64Array.from(f);
  for (let j = 0; j < k; j++) {
    if (j > 0) {
      l[j] = fl(beta[j - 1] / d[j - 1]);
      y[j] = fl(y[j] - fl(l[j] * y[j - 1])); // L z = f on the way
    }
    d[j] = j > 0 ? fl(alpha[j] - fl(l[j] * beta[j - 1])) : alpha[0]; // d_j = α_j − β_j²/d_{j−1}
    if (!(d[j] > 0)) return { y, info: j + 1 };
  }
  for (let j = k - 1; j >= 0; j--) {
    y[j] = fl(y[j] / d[j]);
    if (j + 1 < k) y[j] = fl(y[j] - fl(l[j + 1] * y[j + 1]));
  }
  return { y, info: 0 };
}

/**
 * T y = f by Gaussian elimination with partial pivoting, as ?gtsv: for a T that may be indefinite.
 * @param {number} [shift] solves (T − shift·I) y = f
 * @returns {{y: Float64Array, singular: boolean}} singular: a pivot is exactly zero, and y is not the solution
 */
export function solvePivoted(alpha, beta, f, fl = (x) => x, shift = 0) {
  const k = alpha.length;
  const y = Float64Array.from(f);
  // rows of U: u0 on the diagonal, u1 and u2 right of it
  const u0 = Float64Array.from(alpha, (a) => fl(a - shift));
  const u1 = Float64Array.from({ length: k }, (_, j) => (j + 1 < k ? beta[j] : 0));
  const u2 = new Float64Array(k);
  for (let j = 0; j + 1 < k; j++) {
    let below = [beta[j], u0[j + 1], u1[j + 1]];
    if (Math.abs(below[0]) > Math.abs(u0[j])) {
      const row = [u0[j], u1[j], u2[j]];
      [u0[j], u1[j], u2[j]] = below;
      below = row;
      [y[j], y[j + 1]] = [y[j + 1], y[j]];
    }
    if (u0[j] === 0) return { y, singular: true };
    const factor = fl(below[0] / u0[j]);
    u0[j + 1] = fl(below[1] - fl(factor * u1[j]));
    u1[j + 1] = fl(below[2] - fl(factor * u2[j]));
    y[j + 1] = fl(y[j + 1] - fl(factor * y[j]));
  }
  if (u0[k - 1] === 0) return { y, singular: true };
  for (let j = k - 1; j >= 0; j--) {
    let sum = y[j];
    if (j + 1 < k) sum = fl(sum - fl(u1[j] * y[j + 1]));
    if (j + 2 < k) sum = fl(sum - fl(u2[j] * y[j + 2]));
    y[j] = fl(sum / u0[j]);
  }
  return { y, singular: false };
}

/**
 * How many eigenvalues of T are below x (Sylvester's law: negative pivots of T − xI).
 * @param {number} x
 */
export function countBelow(alpha, beta, x) {
  let count = 0;
  let d = 1;
  for (let j = 0; j < alpha.length; j++) {
    d = alpha[j] - x - (j > 0 ? beta[j - 1] ** 2 / d : 0);
    if (d === 0) d = 1e-300;
    if (d < 0) count++;
  }
  return count;
}

/**
 * Eigenvalues θ_i, ascending, and the last component s_i[k] of each eigenvector, up to its sign.
 *
 * QL iteration with Wilkinson's shift, its rotations applied to the row e_kᵀ only (Golub and Welsch 1969): O(k²).
 * @returns {{theta: Float64Array, last: Float64Array}}
 */
export function eigenvalues(alpha, beta) {
  const k = alpha.length;
  const d = Float64Array.from(alpha);
  const e = Float64Array.from({ length: k }, (_, j) => (j + 1 < k ? beta[j] : 0));
  const z = new Float64Array(k);
  z[k - 1] = 1;
  for (let start = 0; start < k; start++) {
    for (let sweep = 0; ; sweep++) {
      let end = start; // the block start..end has no negligible off-diagonal entry
      while (end + 1 < k && Math.abs(e[end]) > 1.2e-16 * (Math.abs(d[end]) + Math.abs(d[end + 1]))) end++;
      if (end === start) break;
      if (sweep === 60) throw new Error("an eigenvalue of T took more than 60 iterations");
      sweepUp(d, e, z, start, end);
    }
  }
  const order = Array.from(d.keys()).sort((i, j) => d[i] - d[j]);
  return { theta: Float64Array.from(order, (i) => d[i]), last: Float64Array.from(order, (i) => Math.abs(z[i])) };
}

/** One implicit QL sweep: the bulge is chased from the end of the block to its start by plane rotations. */
function sweepUp(d, e, z, start, end) {
  const half = (d[start + 1] - d[start]) / (2 * e[start]);
  const root = Math.hypot(half, 1);
  let g = d[end] - d[start] + e[start] / (half + (half >= 0 ? root : -root));
  let [s, c, p] = [1, 1, 0];
  for (let i = end - 1; i >= start; i--) {
    const f = s * e[i];
    const b = c * e[i];
    const r = Math.sqrt(f * f + g * g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1] -= p;
      e[end] = 0;
      return; // the block falls apart here
    }
    s = f / r;
    c = g / r;
    g = d[i + 1] - p;
    const t = (d[i] - g) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = g + p;
    g = c * t - b;
    const last = z[i + 1];
    z[i + 1] = s * z[i] + c * last;
    z[i] = c * z[i] - s * last;
  }
  d[start] -= p;
  e[start] = g;
  e[end] = 0;
}

/**
 * Orthonormal eigenvectors for eigenvalues that lie together (or for one), by inverse iteration.
 * @param {ArrayLike<number>} theta the eigenvalues
 * @returns {Float64Array[]} as many vectors of k entries
 */
export function eigenvectors(alpha, beta, theta) {
  const k = alpha.length;
  const size = Math.max(...Array.from(alpha, (a, j) => Math.abs(a) + (j + 1 < k ? beta[j] : 0)));
  const found = [];
  for (let i = 0; i < theta.length; i++) {
    // a start with components along every eigenvector, another for each member of the group
    let y = Float64Array.from({ length: k }, (_, j) => 1 + Math.sin((j + 1) * (i + 1) * 1.7));
    for (let round = 0; round < 3; round++) {
      const solved = solvePivoted(alpha, beta, y, undefined, theta[i] + size * 2 ** -52 * (i + 1));
      if (!solved.singular) y = solved.y;
      for (const x of [...found, ...found]) DOUBLE.add(y, -DOUBLE.dot(x, y), x);
      y = DOUBLE.over(y, DOUBLE.norm(y));
    }
    found.push(y);
  }
  return found;
}
