/**
 * What is subtracted from w_j besides α_j q_j and β_j q_{j−1}. Rounding errors make q_{j+1} lean towards Ritz vectors
 * that have converged (Paige 1971); the five answers differ in what they do about it.
 *
 *   none       nothing
 *   local      q_j and q_{j−1} once more
 *   selective  the Ritz vectors that have converged to √u (Parlett and Scott 1979)
 *   partial    all q_i, but only when a recurrence says that it is needed (Simon 1984)
 *   full       all q_i, twice
 *
 * Each is a factory of a function (process, w, beta) → how many vectors w was orthogonalized against, w changed in
 * place.
 * @typedef {import("./lanczos.js").Process} Process
 */

import { eigenvalues, eigenvectors } from "./tridiagonal.js";

/** w ← w − x(xᵀw) for every x, one after the other. */
function subtract({ dot, add }, w, vectors) {
  for (const x of vectors) add(w, -dot(x, w), x);
  return vectors.length;
}

const none = () => () => 0;

const local = () => (process, w) => subtract(process.arithmetic, w, process.Q.slice(-2));

const full = () => (process, w) => {
  subtract(process.arithmetic, w, process.Q);
  return subtract(process.arithmetic, w, process.Q);
};

/**
 * ω_{j,i} estimates q_jᵀq_i by the recurrence that rounding errors follow,
 *   β_{j+1} ω_{j+1,i} = β_{i+1} ω_{j,i+1} + (α_i − α_j) ω_{j,i} + β_i ω_{j,i−1} − β_j ω_{j−1,i} ± ϑ,   ϑ = 4u‖A‖.
 * Above √(u/k) two consecutive vectors are orthogonalized against all, since the recurrence mixes them.
 */
const partial = () => {
  let before = [];
  let row = [1];
  let again = false;
  return (process, w, beta) => {
    const { alpha, Q, steps, scale, arithmetic } = process;
    const { u } = arithmetic;
    const [j, b] = [Q.length - 1, process.beta]; // b[i] couples q_i and q_{i+1}, indices from 0
    const after = [];
    let largest = 0;
    for (let i = 0; i < j; i++) {
      let value = b[i] * row[i + 1] + (alpha[i] - alpha[j]) * row[i] - b[j - 1] * (before[i] ?? 0);
      if (i > 0) value += b[i - 1] * row[i - 1];
      after[i] = (value + Math.sign(value || 1) * 4 * u * scale) / beta;
      largest = Math.max(largest, Math.abs(after[i]));
    }
    after.push((u * Math.sqrt(w.length) * scale) / beta, 1); // neighbours are orthogonal to rounding
    let count = 0;
    if (again || largest > Math.sqrt(u / steps)) {
      count = full()(process, w);
      after.fill(u, 0, j + 1);
      again = !again;
    }
    [before, row] = [row, after];
    return count;
  };
};

/**
 * A Ritz pair (θ, Q s) is good when its residual β_{j+1}|s[j]| ≤ √u‖T‖. Its vector is formed then, and again when the
 * residual has fallen by a further factor of 100. Ritz values within √u‖T‖ of each other only define a space: they are
 * formed together.
 */
const selective = () => {
  let groups = [];
  return (process, w, beta) => {
    const { alpha, Q, scale, arithmetic } = process;
    const tolerance = Math.sqrt(arithmetic.u) * scale;
    const { theta, last } = eigenvalues(alpha, process.beta);
    const residual = last.map((s) => Math.max(beta * s, arithmetic.u * scale));
    for (const found of together(theta, residual, tolerance)) {
      const [low, high] = [theta[found[0]] - tolerance, theta[found.at(-1)] + tolerance];
      const worst = Math.max(...found.map((i) => residual[i]));
      const known = groups.filter((group) => group.high >= low && group.low <= high);
      const size = known.reduce((sum, group) => sum + group.vectors.length, 0);
      if (size >= found.length && worst > 0.01 * Math.max(...known.map((group) => group.residual))) continue;
      const small = eigenvectors(
        alpha,
        process.beta,
        found.map((i) => theta[i]),
      );
      const vectors = orthonormal(
        arithmetic,
        small.map((s) => combine(arithmetic, Q, s)),
      );
      groups = groups.filter((group) => !known.includes(group));
      groups.push({ low: theta[found[0]], high: theta[found.at(-1)], residual: worst, vectors });
    }
    return subtract(
      arithmetic,
      w,
      groups.flatMap((group) => group.vectors),
    );
  };
};

/** Indices of good Ritz values in groups whose members are within `tolerance` of the next. */
function together(theta, residual, tolerance) {
  const groups = [];
  for (let i = 0; i < theta.length; i++) {
    if (residual[i] > tolerance) continue;
    const group = groups.at(-1);
    if (group && theta[i] - theta[group.at(-1)] <= tolerance) group.push(i);
    else groups.push([i]);
  }
  return groups;
}

/** Q s. */
export function combine({ add }, Q, s) {
  const x = new Float64Array(Q[0].length);
  s.forEach((si, i) => add(x, si, Q[i]));
  return x;
}

/** Modified Gram–Schmidt, twice; Ritz vectors of a basis that is orthogonal to √u only are not quite orthonormal. */
function orthonormal(arithmetic, vectors) {
  const done = [];
  for (const x of vectors) {
    for (let pass = 0; pass < 2; pass++) subtract(arithmetic, x, done);
    done.push(arithmetic.over(x, arithmetic.norm(x)));
  }
  return done;
}

/** The five by name. */
export const REORTHOGONALIZATIONS = { none, local, selective, partial, full };
