/** Matrices that move on a line, A_k = A_0 + k·(symmetric direction), for LancBiO to follow. */

import { shifted, symmetric, unitVector } from "./operator.js";
import { DOUBLE } from "./precision.js";
import { normalVector } from "./random.js";

/**
 * @typedef {(k: number) => {A: import("./precision.js").Matrix, b: Float64Array}} System
 *   what iteration k = 1, 2, … sees
 */

/**
 * A_k = A_0 + k t E and b_k = b_0 + k t‖b_0‖d: E symmetric and random with ‖E‖_F = 1, d a random unit vector.
 * Positive definite for certain as long as k t < λ_1.
 * @param {import("./precision.js").Matrix} A
 * @param {Float64Array} b
 * @param {number} t
 * @param {number} seed
 * @returns {System}
 */
export function random(A, b, t, seed, arithmetic = DOUBLE) {
  const { n } = A;
  const entries = normalVector(n * n, seed);
  const G = symmetric(n, (i, j) => entries[i * n + j]);
  const E = { n, data: DOUBLE.over(G.data, DOUBLE.norm(G.data)) };
  const d = unitVector(n, seed + 1);
  const size = DOUBLE.norm(b);
  return (k) => ({
    A: rounded(shifted(A, k * t, E), arithmetic),
    b: arithmetic.round(b.map((bi, i) => bi + k * t * size * d[i])),
  });
}

/**
 * A_k = A_0 + max(0, 1 − k t) g gᵀ, g a random unit vector, b stays: a part of the curvature fades out. Always positive
 * definite; but T mixes couplings β from when A was larger with α from when it is smaller, and can be indefinite.
 * @returns {System}
 */
export function fading(A, b, t, seed, arithmetic = DOUBLE) {
  const g = unitVector(A.n, seed);
  const E = symmetric(A.n, (i, j) => g[i] * g[j]);
  return (k) => ({ A: rounded(shifted(A, Math.max(0, 1 - k * t), E), arithmetic), b });
}

const rounded = ({ n, data }, arithmetic) => ({ n, data: arithmetic.round(data) });
