/**
 * What T knows about the A-norm of the error e_k of conjugate gradients (Golub and Meurant 1994; Strakoš and Tichý
 * 2002; Meurant and Tichý 2013). With γ_k = 1/d_{k+1}, d the pivots of T = L D Lᵀ,
 * and ‖r_{k+1}‖ = ‖r_k‖β_{k+2}/d_{k+1}:
 *
 *   Gauss         ‖e_k‖_A² ≥ Σ_{j=k}^{k+d−1} γ_j‖r_j‖²
 *   Gauss–Radau   ‖e_k‖_A² ≤ γ_k^{(μ)}‖r_k‖²,  γ_0^{(μ)} = 1/μ,
 *                 γ_{k+1}^{(μ)} = (γ_k^{(μ)} − γ_k)/(μ(γ_k^{(μ)} − γ_k) + ‖r_{k+1}‖²/‖r_k‖²)
 *
 * for 0 < μ ≤ λ_1. They hold in exact arithmetic, and to rounding down to the accuracy floor, where they go on falling.
 */

/**
 * @param {ArrayLike<number>} alpha k entries
 * @param {ArrayLike<number>} beta k entries
 * @param {number} startNorm ‖r_0‖
 * @returns {{gamma: number[], squares: number[]}} γ_0 … γ_{k−1} and ‖r_0‖² … ‖r_k‖², as far as the pivots are positive
 */
export function cgCoefficients(alpha, beta, startNorm) {
  const gamma = [];
  const squares = [startNorm ** 2];
  for (let j = 0; j < alpha.length; j++) {
    const pivot = alpha[j] - (j > 0 ? beta[j - 1] ** 2 * gamma[j - 1] : 0); // d_{j+1} = α_{j+1} − β_{j+1}²/d_j
    if (!(pivot > 0)) break;
    gamma.push(1 / pivot);
    squares.push(squares[j] * (beta[j] * gamma[j]) ** 2);
  }
  return { gamma, squares };
}

/**
 * @param {number} delay d, how many further steps each bound looks at
 * @returns {number[]} lower bounds of ‖e_0‖_A … ‖e_{k−d}‖_A
 */
export function gaussLower(alpha, beta, startNorm, delay) {
  const { gamma, squares } = cgCoefficients(alpha, beta, startNorm);
  const lower = [];
  for (let k = 0; k + delay <= gamma.length; k++) {
    let sum = 0;
    for (let j = k; j < k + delay; j++) sum += gamma[j] * squares[j];
    lower.push(Math.sqrt(sum));
  }
  return lower;
}

/**
 * @param {number} mu a lower bound of λ_1
 * @returns {number[]} upper bounds of ‖e_0‖_A … ; they end where γ_k^{(μ)} ≤ γ_k, which shows (in exact arithmetic)
 *   that μ > λ_1
 */
export function gaussRadauUpper(alpha, beta, startNorm, mu) {
  const { gamma, squares } = cgCoefficients(alpha, beta, startNorm);
  let radau = 1 / mu;
  const upper = [Math.sqrt(radau * squares[0])];
  for (let k = 0; k < gamma.length; k++) {
    const gap = radau - gamma[k];
    if (!(gap > 0)) break;
    radau = squares[k] > 0 ? gap / (mu * gap + squares[k + 1] / squares[k]) : 0;
    upper.push(Math.sqrt(radau * squares[k + 1]));
  }
  return upper;
}
