/** What the page computes for the settings in the first argument, both JSON: to be compared with lancbio_ref. */

import * as experiment from "../../docs/_extra/explorer/js/experiment.js";
import { exactSolution } from "../../docs/_extra/explorer/js/reference.js";
import { conjugateGradients } from "../../docs/_extra/explorer/js/solvers.js";
import { initial } from "../../docs/_extra/explorer/js/state.js";

const state = { ...initial(), ...JSON.parse(process.argv[2]) };
const problem = experiment.problemOf(state);
const run = experiment.processOf(problem, state);
const k = run.alpha.length;
const { A, b, lambda, mu } = problem;
console.log(
  JSON.stringify(
    {
      A: Array.from({ length: A.n }, (_, i) => A.data.slice(i * A.n, (i + 1) * A.n)),
      b,
      lambda,
      mu,
      solution: exactSolution(A, b),
      iterates: conjugateGradients(A, b, state.steps),
      alpha: run.alpha,
      beta: run.beta,
      Q: run.Q,
      breakdown: run.breakdown,
      reorthogonalized: run.reorthogonalized,
      loss: experiment.lossOf(run).largest,
      ritz: experiment.ritzOf(problem, run)(k),
      convergence: experiment.convergence(problem, run, state),
    },
    (_, value) => (value instanceof Float64Array ? Array.from(value) : value),
  ),
);
