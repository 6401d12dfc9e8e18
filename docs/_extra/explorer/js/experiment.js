/** From the settings of the page to everything that it shows. Errors are measured in double, whatever the precision. */

import { gaussLower, gaussRadauUpper } from "./bounds.js";
import * as drift from "./drift.js";
import { lancbio } from "./lancbio.js";
import { lanczos, orthogonalityLoss } from "./lanczos.js";
import { energyNorm, reflect, reflected, unitVector } from "./operator.js";
import { DOUBLE, PRECISIONS } from "./precision.js";
import { normalVector } from "./random.js";
import { cholesky, choleskySolve, errorOf, exactSolution } from "./reference.js";
import { ritzValues } from "./ritz.js";
import { conjugateGradients, lanczosIterates, neumann } from "./solvers.js";
import { SPECTRA } from "./spectra.js";

/**
 * @typedef {Object} Problem
 * @property {import("./precision.js").Matrix} A rounded to the precision
 * @property {Float64Array} b rounded likewise
 * @property {Float64Array} lambda eigenvalues of A before rounding, λ_n = 1
 * @property {number} mu the μ handed to Gauss–Radau
 * @property {import("./precision.js").Arithmetic} arithmetic
 */

/** @param {import("./state.js").State} state @returns {Problem} */
export function problemOf({ n, spectrum, logKappa, rho, rhs, seed, precision, mu }) {
  const arithmetic = PRECISIONS[precision];
  const lambda = SPECTRA[spectrum](n, 10 ** logKappa, rho);
  const w = unitVector(n, seed);
  const components = {
    random: () => normalVector(n, seed + 1000),
    equal: () => new Float64Array(n).fill(1 / Math.sqrt(n)),
    three: () => Float64Array.from({ length: n }, (_, i) => ([0, n >> 1, n - 1].includes(i) ? 1 / Math.sqrt(3) : 0)),
  };
  const b = reflect(w, components[rhs]()); // b = H·(components along the eigenvectors)
  const { data } = reflected(lambda, w);
  return { A: { n, data: arithmetic.round(data) }, b: arithmetic.round(b), lambda, mu: mu * lambda[0], arithmetic };
}

/** The Lanczos process started at b. @param {Problem} problem */
export function processOf({ A, b, arithmetic }, { steps, reorthogonalization }) {
  return lanczos(A, b, steps, { reorthogonalization, arithmetic });
}

/**
 * @typedef {{error: number[], residual: number[]}} Curve
 *   ‖A⁻¹b − x_k‖_A/‖A⁻¹b‖_A and ‖b − A x_k‖₂/‖b‖₂, k = 0, 1, …
 *
 * @param {Problem} problem
 * @param {import("./lanczos.js").Process} process
 * @returns {?{cg: Curve, lanczos: Curve, neumann: Curve, lower: number[], upper: number[], floor: number}}
 *   null where A, rounded, is not positive definite. lower and upper: Gauss and Gauss–Radau, for `lanczos`.
 */
export function convergence({ A, b, mu, lambda, arithmetic }, process, { steps, delay }) {
  const truth = exactSolution(A, b);
  if (!truth) return null;
  const size = energyNorm(A, truth.v);
  const sizeB = DOUBLE.norm(b);
  const curve = (iterates) => ({
    error: iterates.map((x) => energyNorm(A, errorOf(truth, x)) / size),
    residual: iterates.map((x) => DOUBLE.norm(DOUBLE.minus(b, DOUBLE.multiply(A, x))) / sizeB),
  });
  const { alpha, beta, startNorm } = process;
  return {
    cg: curve(conjugateGradients(A, b, steps, arithmetic)),
    lanczos: curve(lanczosIterates(process)),
    neumann: curve(neumann(A, b, steps, 1, arithmetic)), // η = 1/λ_n
    lower: gaussLower(alpha, beta, startNorm, delay).map((e) => e / size),
    upper: gaussRadauUpper(alpha, beta, startNorm, mu).map((e) => e / size),
    // ‖r‖_{A⁻¹} ≤ ‖r‖/√λ_1 for a residual as small as rounding lets it be, ‖r‖ = u‖A‖‖x‖
    floor: (arithmetic.u * DOUBLE.norm(truth.v)) / (Math.sqrt(lambda[0]) * size),
  };
}

/**
 * Ritz values of every step, each computed when it is first asked for.
 * @returns {(k: number) => import("./ritz.js").Ritz[]}
 */
export function ritzOf({ lambda, arithmetic }, { alpha, beta }) {
  const known = [];
  return (k) => (known[k] ??= k === 0 ? [] : ritzValues(alpha.slice(0, k), beta.slice(0, k), lambda, arithmetic.u));
}

/** |QᵀQ − I| by rows of the lower triangle, and the largest entry of each leading block. */
export function lossOf({ Q }) {
  const rows = orthogonalityLoss(Q);
  let most = 0;
  return { rows, largest: rows.map((row) => (most = Math.max(most, ...row))) };
}

/**
 * LancBiO on a matrix that moves (drift.js; the random direction in units of λ_1), beside one gradient step an
 * iteration.
 * @returns {{rows: import("./lancbio.js").Row[], error: number[], gradient: number[]}} relative errors ‖v_k −
 *   A_k⁻¹b_k‖₂ by k − 1; NaN where A_k is not positive definite
 */
export function moving({ A, b, lambda, arithmetic }, { steps, direction, logDrift, seed, ...schedule }) {
  const iterations = Math.min(steps, 100);
  const t = 10 ** logDrift * (direction === "random" ? lambda[0] : 1);
  const system = drift[direction](A, b, t, seed + 2000, arithmetic);
  const v0 = new Float64Array(A.n);
  const rows = lancbio(
    system,
    v0,
    iterations,
    { ...schedule, maximum: Math.max(schedule.initial, schedule.maximum) },
    arithmetic,
  );
  const [error, gradient] = [[], []];
  let g = v0;
  const eta = direction === "random" ? 1 : 0.5; // ‖A_k‖ is about λ_n = 1, or up to λ_n + 1
  for (const { k, v } of rows) {
    const { A: Ak, b: bk } = system(k);
    const step = arithmetic.minus(bk, arithmetic.multiply(Ak, g));
    g = g.slice();
    arithmetic.add(g, eta, step); // v ← v − η(A_k v − b_k)
    const L = cholesky(Ak);
    const truth = L && choleskySolve(L, bk);
    const relative = (x) => (truth ? DOUBLE.norm(DOUBLE.minus(truth, x)) / DOUBLE.norm(truth) : NaN);
    error.push(relative(v));
    gradient.push(relative(g));
  }
  return { rows, error, gradient };
}
