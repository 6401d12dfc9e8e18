/** Tridiagonal systems, the process, its five reorthogonalizations, solvers, bounds, ghosts. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { cgCoefficients, gaussLower, gaussRadauUpper } from "../../docs/_extra/explorer/js/bounds.js";
import { convergence, lossOf, problemOf, processOf, ritzOf } from "../../docs/_extra/explorer/js/experiment.js";
import { lanczos } from "../../docs/_extra/explorer/js/lanczos.js";
import { frobenius, symmetric } from "../../docs/_extra/explorer/js/operator.js";
import { DOUBLE, SINGLE } from "../../docs/_extra/explorer/js/precision.js";
import { ritzValues } from "../../docs/_extra/explorer/js/ritz.js";
import { conjugateGradients, lanczosIterates, neumann } from "../../docs/_extra/explorer/js/solvers.js";
import { initial } from "../../docs/_extra/explorer/js/state.js";
import {
  countBelow,
  eigenvalues,
  eigenvectors,
  solveDefinite,
  solvePivoted,
} from "../../docs/_extra/explorer/js/tridiagonal.js";
import { distance, toeplitz, toeplitzEigenvalues } from "./cases.mjs";

const run = (settings) => {
  const state = { ...initial(), ...settings };
  const problem = problemOf(state);
  const process = processOf(problem, state);
  return { state, problem, process };
};

test("eigenvalues of tridiag(−1, 2, −1) are 2 − 2cos(jπ/(n + 1)), and the last components √(2/(n + 1))|sin|", () => {
  for (const n of [1, 2, 3, 10, 100]) {
    const { alpha, beta } = toeplitz(n);
    const { theta, last } = eigenvalues(alpha, beta);
    assert.ok(distance(theta, toeplitzEigenvalues(n)) < 4e-15 * Math.sqrt(n));
    const exact = theta.map((_, j) => Math.sqrt(2 / (n + 1)) * Math.abs(Math.sin(((j + 1) * n * Math.PI) / (n + 1))));
    assert.ok(distance(last, exact) < 1e-13 * n);
  }
});

test("T falls apart where β is zero", () => {
  const { theta, last } = eigenvalues([3, 1, 2], [0, 0]);
  assert.deepEqual(Array.from(theta), [1, 2, 3]);
  assert.deepEqual(Array.from(last), [0, 1, 0]);
});

test("eigenvectors by inverse iteration, orthonormal also in a cluster", () => {
  const n = 21; // Wilkinson's matrix W⁺: its largest eigenvalues agree to 14 digits
  const alpha = Array.from({ length: n }, (_, i) => Math.abs(i - 10));
  const beta = Array(n).fill(1);
  const pair = Array.from(eigenvalues(alpha, beta).theta.slice(-2));
  const [x, y] = eigenvectors(alpha, beta, pair);
  assert.ok(Math.abs(DOUBLE.dot(x, y)) < 1e-14);
  for (const [theta, s] of [
    [pair[0], x],
    [pair[1], y],
  ]) {
    const Ts = s.map((si, i) => alpha[i] * si + (i > 0 ? s[i - 1] : 0) + (i + 1 < n ? s[i + 1] : 0));
    assert.ok(
      distance(
        Ts,
        s.map((si) => theta * si),
      ) < 1e-13,
    );
  }
});

test("T y = f, and the status where T is not positive definite", () => {
  const { alpha, beta } = toeplitz(4);
  assert.ok(distance(solveDefinite(alpha, beta, [1, 0, 0, 1]).y, [1, 1, 1, 1]) < 1e-15);
  assert.equal(solveDefinite([2, 0.1], [1.9], [1, 0]).info, 2); // 0.1 − 1.9²/2 < 0
  assert.equal(solveDefinite([-1, 4], [1], [1, 0]).info, 1);
});

test("an indefinite T is solved with pivoting; a singular one is called singular", () => {
  const { y, singular } = solvePivoted([0, 0, 1], [1, 2], [1, 2, 3]); // y2 = 1, y1 + 2y3 = 2, 2y2 + y3 = 3
  assert.equal(singular, false);
  assert.deepEqual(Array.from(y), [0, 1, 1]);
  assert.equal(solvePivoted([1, 1], [1], [1, 1]).singular, true);
  assert.equal(solvePivoted([0], [], [1]).singular, true);
});

test("Sturm counts agree with the eigenvalues", () => {
  const { alpha, beta } = toeplitz(30);
  const theta = toeplitzEigenvalues(30);
  for (const x of [-1, 0.005, 0.5, 2.01, 3.9, 5])
    assert.equal(countBelow(alpha, beta, x), theta.filter((t) => t < x).length);
});

test("A Q = Q T + β q eᵀ to rounding, QᵀQ = I with full reorthogonalization", () => {
  const {
    problem: { A },
    process,
  } = run({ n: 40, reorthogonalization: "full", steps: 25 });
  const { alpha, beta, Q } = process;
  assert.equal(Q.length, 25);
  for (let j = 0; j + 1 < Q.length; j++) {
    const column = DOUBLE.multiply(A, Q[j]);
    DOUBLE.add(column, -alpha[j], Q[j]);
    DOUBLE.add(column, -beta[j], Q[j + 1]);
    if (j > 0) DOUBLE.add(column, -beta[j - 1], Q[j - 1]);
    assert.ok(DOUBLE.norm(column) < 20 * DOUBLE.u * frobenius(A));
  }
  assert.ok(lossOf(process).largest.at(-1) < 5e-15);
});

test("the process ends where the space is invariant", () => {
  const { process } = run({ rhs: "three", reorthogonalization: "full" });
  assert.equal(process.alpha.length, 3);
  assert.equal(process.breakdown, true);
  const identity = lanczos(
    symmetric(5, (i, j) => (i === j ? 2 : 0)),
    Float64Array.of(1, 2, 3, 4, 5),
    5,
  );
  assert.equal(identity.alpha.length, 1);
  assert.ok(Math.abs(identity.alpha[0] - 2) < 1e-15);
});

test("orthogonality: full to u, selective and partial to √u, none and local lose it", () => {
  for (const spectrum of ["uniform", "geometric", "strakos"])
    for (const seed of [1, 2, 3]) {
      const loss = (reorthogonalization) =>
        lossOf(run({ n: 100, spectrum, seed, steps: 100, reorthogonalization }).process).largest.at(-1);
      assert.ok(loss("full") < 1e-14, `full ${spectrum}`);
      assert.ok(loss("selective") < 1e-7, `selective ${spectrum}: ${loss("selective")}`);
      assert.ok(loss("partial") < 1e-7, `partial ${spectrum}: ${loss("partial")}`);
      if (spectrum === "uniform") continue; // whose 100 Ritz values converge at the very end only
      assert.ok(loss("none") > 0.1 && loss("local") > 0.1);
    }
});

test("partial and selective subtract fewer vectors than full", () => {
  const count = (reorthogonalization) =>
    run({ n: 100, spectrum: "uniform", steps: 100, reorthogonalization }).process.subtracted;
  assert.equal(count("full"), (100 * 101) / 2 - 100); // w_100 is at rounding level, and nothing is done to it
  assert.ok(count("partial") < 1000 && count("selective") < 1000);
  assert.equal(count("none"), 0);
});

test("orthogonality is lost earlier in single precision, and restored to its u by full", () => {
  const first = (precision) => lossOf(run({ precision }).process).largest.findIndex((loss) => loss > 1e-3);
  assert.ok(first("single") > 0 && first("single") + 5 < first("double"));
  assert.ok(lossOf(run({ precision: "single", reorthogonalization: "full" }).process).largest.at(-1) < 20 * SINGLE.u);
});

test("Strakoš: ghosts without reorthogonalization, none with full, selective or partial", () => {
  for (const precision of ["double", "single"]) {
    const ghosts = (reorthogonalization) => {
      const { problem, process } = run({ precision, reorthogonalization });
      return ritzOf(problem, process)(process.alpha.length).filter((r) => r.ghost).length;
    };
    assert.ok(ghosts("none") >= 10 && ghosts("local") >= 10);
    for (const mode of ["full", "selective", "partial"]) assert.equal(ghosts(mode), 0, `${mode} ${precision}`);
  }
});

test("a ghost is the member of a group with the larger residual; as many as A has there are none", () => {
  // T = diag(3, 1 + 1e-12, 1): the residuals are 0, 0 and β_4 = 1e-3
  const ghosts = (lambda) => ritzValues([3, 1 + 1e-12, 1], [0, 0, 1e-3], lambda, DOUBLE.u).map((r) => r.ghost);
  assert.deepEqual(ghosts([1, 2, 3]), [true, false, false]);
  assert.deepEqual(ghosts([1, 1 + 1e-12, 3]), [false, false, false]);
});

test("local keeps neighbours orthogonal, which none does not where β is small", () => {
  const worst = (reorthogonalization) => {
    const { Q } = run({ spectrum: "clustered", reorthogonalization }).process;
    return Math.max(...Q.slice(1).map((q, j) => Math.abs(DOUBLE.dot(q, Q[j]))));
  };
  assert.ok(worst("local") < 1e-14 && worst("none") > 1e-13, `${worst("local")} ${worst("none")}`);
});

test("conjugate gradients end after as many steps as there are distinct eigenvalues seen", () => {
  const {
    problem: { A, b },
    process,
    state,
  } = run({ rhs: "three", logKappa: 2 });
  const { cg } = convergence(run({ rhs: "three", logKappa: 2 }).problem, process, state);
  assert.ok(cg.error[2] > 1e-3 && cg.error[3] < 1e-13);
  assert.ok(conjugateGradients(A, b, 0).length === 1);
});

test("five tight clusters: the fifth step brings four digits", () => {
  const { problem, process, state } = run({ spectrum: "clustered", logKappa: 1 });
  const { cg } = convergence(problem, process, state);
  assert.ok(cg.error[4] > 1e-2 && cg.error[5] < 1e-5);
});

test("CG and Lanczos are the same iterates while Q is orthogonal, and Neumann's are the partial sums", () => {
  const {
    problem: { A, b },
    process,
  } = run({ spectrum: "uniform", logKappa: 1, n: 30, reorthogonalization: "full", steps: 20 });
  const [cg, krylov] = [conjugateGradients(A, b, 20), lanczosIterates(process)];
  for (let k = 0; k <= 20; k++) assert.ok(distance(cg[k], krylov[k]) < 1e-14);
  const [sum, term] = [new Float64Array(30), b.slice()];
  const series = neumann(A, b, 10, 0.7);
  for (let k = 0; k <= 10; k++) {
    assert.ok(distance(series[k], sum) < 1e-14);
    DOUBLE.add(sum, 0.7, term); // Σ_{i≤k} η(I − ηA)^i b
    DOUBLE.add(term, -0.7, DOUBLE.multiply(A, term));
  }
});

test("CG refuses an indefinite matrix instead of following it", () => {
  const A = symmetric(2, (i, j) => (i === j ? [1, -1][i] : 0));
  assert.equal(conjugateGradients(A, Float64Array.of(1, 2), 5).length, 1);
});

test("Gauss ≤ error ≤ Gauss–Radau above the floor; a μ above λ₁ is found out", () => {
  for (const spectrum of ["uniform", "geometric", "clustered", "strakos"])
    for (const mu of [0.1, 0.5, 0.95]) {
      const { problem, process, state } = run({ spectrum, mu, n: 60, steps: 60, reorthogonalization: "full" });
      const c = convergence(problem, process, state);
      let checked = 0;
      for (let k = 0; k < c.lower.length; k++) {
        if (c.lanczos.error[k] < 100 * c.floor) break;
        assert.ok(c.lower[k] <= c.lanczos.error[k] + c.floor, `${spectrum} ${k}: Gauss`);
        assert.ok(c.upper[k] >= c.lanczos.error[k] - c.floor, `${spectrum} ${k}: Radau`);
        checked++;
      }
      assert.ok(checked >= 5);
    }
  const { problem, process, state } = run({
    spectrum: "geometric",
    mu: 1.3,
    n: 30,
    steps: 30,
    reorthogonalization: "full",
  });
  assert.ok(convergence(problem, process, state).upper.length < 30);
});

test("without reorthogonalization too, the bounds cross above the floor for a μ that is too large only", () => {
  const crossed = (settings) => {
    const { problem, process, state } = run({ n: 40, steps: 120, ...settings });
    const { lower, upper, floor } = convergence(problem, process, state);
    return lower.some((e, k) => e > upper[k] * (1 + 1e-6) && upper[k] > floor);
  };
  for (const spectrum of ["uniform", "geometric", "clustered", "strakos"])
    for (const precision of ["double", "single"])
      for (const seed of [1, 2, 3]) {
        assert.ok(!crossed({ spectrum, precision, seed, mu: 0.9 }), `${spectrum} ${precision} ${seed}`);
        assert.ok(!crossed({ spectrum, precision, seed, mu: 0.1, delay: 1 }), `${spectrum} ${precision} ${seed}`);
      }
  assert.ok(crossed({ spectrum: "geometric", mu: 1.2 }));
});

test("bounds of A = diag(1, 2), b = (1, 1) by hand", () => {
  // r_0 = (1, 1): α_1 = 3/2, β_2 = 1/2, α_2 = 3/2. Errors: √(1 + 1/2), then 1/√6; Radau with μ = λ₁ = 1
  const [alpha, beta] = [
    [1.5, 1.5],
    [0.5, 0],
  ];
  assert.ok(distance(gaussLower(alpha, beta, Math.SQRT2, 2), [Math.sqrt(1.5)]) < 1e-15);
  assert.ok(distance(gaussLower(alpha, beta, Math.SQRT2, 1), [Math.sqrt(4 / 3), Math.sqrt(1 / 6)]) < 1e-15);
  const upper = gaussRadauUpper(alpha.slice(0, 1), beta, Math.SQRT2, 1);
  assert.ok(distance(upper, [Math.SQRT2, Math.sqrt(1 / 6)]) < 1e-15); // with μ = λ₁ exact in the second step
  assert.deepEqual(cgCoefficients([-1], [1], 1), { gamma: [], squares: [1] });
});
