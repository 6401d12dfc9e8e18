/** Ritz values, how far they are from eigenvalues, and which of them are ghosts. */

import { eigenvalues } from "./tridiagonal.js";

/**
 * @typedef {{theta: number, residual: number, ghost: boolean}} Ritz  residual = β_{k+1}|s[k]|
 *
 * Ritz values closer than √u‖A‖ to the next are taken together. Where such a group has more members than A has
 * eigenvalues there, the surplus are *ghosts*: copies of an eigenvalue that was found before, and lost from the basis
 * by rounding. The members with the smallest residuals count as the originals.
 *
 * @param {ArrayLike<number>} alpha α_1 … α_k
 * @param {ArrayLike<number>} beta β_2 … β_{k+1}
 * @param {ArrayLike<number>} lambda the eigenvalues of A, ascending
 * @param {number} u unit roundoff of the process
 * @returns {Ritz[]} ascending
 */
export function ritzValues(alpha, beta, lambda, u) {
  const { theta, last } = eigenvalues(alpha, beta);
  const tolerance = Math.sqrt(u) * Math.abs(lambda[lambda.length - 1]);
  const all = Array.from(theta, (t, i) => ({ theta: t, residual: beta[alpha.length - 1] * last[i], ghost: false }));
  for (let first = 0, end; first < all.length; first = end) {
    for (end = first + 1; end < all.length && theta[end] - theta[end - 1] <= tolerance;) end++;
    const [low, high] = [theta[first] - tolerance, theta[end - 1] + tolerance];
    const eigenvaluesThere = Array.prototype.filter.call(lambda, (l) => l >= low && l <= high).length;
    const group = all.slice(first, end).sort((a, b) => a.residual - b.residual);
    for (const copy of group.slice(Math.max(1, eigenvaluesThere))) copy.ghost = true;
  }
  return all;
}
