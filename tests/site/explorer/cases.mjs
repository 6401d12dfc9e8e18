/** What several tests need. */

import { symmetric } from "../../docs/_extra/explorer/js/operator.js";

/** tridiag(−1, 2, −1): eigenvalues 2 − 2cos(jπ/(n + 1)). */
export const toeplitz = (n) => ({ alpha: Array(n).fill(2), beta: Array(n).fill(-1) });

export const toeplitzEigenvalues = (n) =>
  Array.from({ length: n }, (_, j) => 2 - 2 * Math.cos(((j + 1) * Math.PI) / (n + 1)));

/** The Hilbert matrix times lcm(1, …, 2n − 1): integers, so that products with small integers are exact. */
export function hilbert(n) {
  let multiple = 1;
  const gcd = (a, b) => (b ? gcd(b, a % b) : a);
  for (let i = 1; i < 2 * n; i++) multiple = (multiple * i) / gcd(multiple, i);
  const A = symmetric(n, (i, j) => multiple / (i + j + 1));
  const times = (x) =>
    Float64Array.from({ length: n }, (_, i) => x.reduce((sum, xj, j) => sum + A.data[i * n + j] * xj, 0));
  return { A, times };
}

/** Largest |aᵢ − bᵢ|; infinite where the lengths differ. */
export const distance = (a, b) =>
  a.length === b.length ? Math.max(0, ...Array.from(a, (x, i) => Math.abs(x - b[i]))) : Infinity;
