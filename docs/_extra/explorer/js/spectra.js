/** Spectra with λ_1 = 1/κ and λ_n = 1, ascending. */

/** Evenly spaced: λ_i = λ_1 + (i − 1)/(n − 1)·(λ_n − λ_1). */
export function evenlySpaced(n, kappa) {
  return spread(n, (t) => 1 / kappa + t * (1 - 1 / kappa));
}

/** A constant ratio: λ_i = κ^{t − 1}, t = (i − 1)/(n − 1). */
export function geometric(n, kappa) {
  return spread(n, (t) => kappa ** (t - 1));
}

/**
 * Five groups (fewer where n < 10) at a constant ratio, each of relative width 10⁻⁶.
 * Conjugate gradients see five eigenvalues until the error is small enough to tell members of a group apart.
 */
export function clustered(n, kappa) {
  const groups = Math.min(5, Math.floor(n / 2));
  const centres = geometric(groups, kappa);
  const lambda = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const group = Math.floor((i * groups) / n);
    const first = Math.ceil((group * n) / groups);
    const last = Math.ceil(((group + 1) * n) / groups) - 1;
    const t = group === 0 ? (i - first) / Math.max(1, last - first) : -(last - i) / Math.max(1, last - first);
    lambda[i] = centres[group] * (1 + 1e-6 * t); // the first group begins at 1/κ, the others end at their centre
  }
  return lambda;
}

/** Strakoš (1991): λ_i = λ_1 + (i − 1)/(n − 1)·(λ_n − λ_1)·ρ^{n−i}; ρ < 1 crowds them at the lower end. */
export function strakos(n, kappa, rho) {
  const lambda = spread(n, (t, i) => 1 / kappa + t * (1 - 1 / kappa) * rho ** (n - 1 - i));
  return lambda.sort();
}

/** The four by name. @type {Object<string, (n: number, kappa: number, rho: number) => Float64Array>} */
export const SPECTRA = { uniform: evenlySpaced, geometric, clustered, strakos };

/** f(t, i) for t = i/(n − 1). */
function spread(n, f) {
  return Float64Array.from({ length: n }, (_, i) => f(n === 1 ? 1 : i / (n - 1), i));
}
