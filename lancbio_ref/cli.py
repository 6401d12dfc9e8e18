"""The command line: ``lancbio-ref`` with ``run``, ``compare``, ``check``, ``diagnose`` or ``vectors``."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from . import __version__
from .errors import LancbioError
from .files import reason
from .jobs import JOBS, PROBLEMS, make_comparison, make_settings, options_table, run_comparison, run_job
from .jobs.settings import NAMED_ONLY
from .methods import names
from .oracle import commands_check, commands_diagnose, commands_vectors
from .terminal import NOBODY_READS, Outlet, one_line, outlets, printable

DESCRIPTION = """\
LancBiO and SubBiO for bilevel optimization (Yang, Gao, Yuan, ICLR 2025): hyper-gradients you can trust.
"lancbio-ref COMMAND --help" is the manual page of a command."""

RUN_DESCRIPTION = """\
Run a bilevel method on a job and report what came of it.

Jobs
  digits         hyper-data cleaning on the UCI optical digits, which travel with the package: 600 training
                 images, 600 for validation, 597 for testing (the default job)
  mnist, fashion-mnist, kmnist
                 the same on real idx files in --data-dir: the first 5000 training images, 5000 for validation drawn
                 from all training images, the test set; pixels (p/255 - m)/s with (m, s) = (0.1307, 0.3081),
                 (0.5, 0.5), (0.1918, 0.3483), as in the paper
  synthetic      the paper's synthetic problem with n_x = n_y = N

Hyper-data cleaning corrupts a fraction of the training labels (each is shifted by a random 1..9 modulo 10) and learns
a weight sigma(x_i) for every training sample, so that multinomial logistic regression on the weighted samples does well
on the clean validation set. The report gives four test accuracies, each of a lower level solved to
||grad_y g|| <= 1e-8: corrupted labels with equal weights, validation data only, true labels, and the corrupted labels
with the learned weights; the AUC of the weights against which labels were corrupted; why the run stopped; products and
gradients used; whether the last h agrees with a certified hyper-gradient at the same x, and the error of that; a
condition estimate."""

RUN_EPILOG = """\
defaults
  job                          maxiter  step-x  step-y       step-v       inner-steps  subspace  regularization
  digits                       500      500     0.3          0.05         10           10        0.001
  mnist, fashion-mnist, kmnist 3000     500     0.1          0.05         5            10        0.01
  synthetic                    2000     1       1/condition  1/condition  5            80        -

  Those of the image jobs and of synthetic are the paper's, except that synthetic makes 10000 iterations there, with
  n = 10000 and condition 1e5. The subspace grows from 1 by a factor 1.3 every 50 iterations (synthetic: 1.1 every 20).

data files (image jobs), in DIR or in DIR/JOB, each plain or with .gz; without --data-dir they are downloaded, which
needs pooch (pip install pooch)
  train-images-idx3-ubyte  train-labels-idx1-ubyte  t10k-images-idx3-ubyte  t10k-labels-idx1-ubyte

files written to --out, each complete or not at all
  trace.npz      one row an iteration: k, h_norm, n_hvp, n_cross, n_grad, n_grad_upper, seconds, status; at the
                 iterations recorded_k: loss, residual, lower_grad_norm, test_accuracy (not of synthetic); x, y, v
  summary.json   settings, outcome, counts, accuracies, certificate: what the report says, as numbers (infinity is null)
  figure.png     loss, ||h||, test accuracy, weights; skipped, and said so, where matplotlib is not installed

exit status
  0    the run was made
  2    an argument or a file cannot be used, or the run diverges; one line on the error output says which, or which
       step is too long. A file that could not be written is named in the report, which has all numbers
  130  stopped by Ctrl-C, or told to end (SIGTERM, SIGHUP); what was reached is written

examples
  lancbio-ref run
  lancbio-ref run digits --method subbio --corruption 0.8 --out runs/subbio
  lancbio-ref run fashion-mnist --data-dir data --maxiter 1000
  lancbio-ref run synthetic --n 1000 --condition 1e4"""

COMPARE_DESCRIPTION = """\
Run several methods on one problem, for several seeds, and compare them in one table and one figure.

Problems
  digits, mnist, fashion-mnist, kmnist, synthetic
                 as in "lancbio-ref run"
  20newsgroups   multinomial logistic regression on 20 Newsgroups, 5657 posts to train, 5657 to validate, 7532 to test,
                 130107 words, one exponential l2 weight a word; never made dense
  ridge          ridge regression with one weight a feature: 40 training and 40 validation samples, 20 features
  quadratic      a random quadratic problem with n_x = n_y = N

A seed gives all methods the same data and the same start. The table has, at the last iteration, own ||h||, ||A v - b||,
loss, test accuracy (image problems), Hessian products, gradients of the lower level, and the time spent in the method:
mean and standard deviation over seeds. Loss, residual and accuracy are recorded beside the run: what they cost counts
neither as products nor as time. Own ||h|| is the norm of the method's estimate: where that is biased (stocbio, bsa,
ttsa, f2sa), or y_k lags behind y*(x_k), a small one does not mean that the gradient of phi is small. So the table has
||grad phi|| too, the lower level and the linear system solved at the last x, and how far h is from it; where they do
not agree the report says so. --no-certify leaves that out. f2sa solves no linear system and has no residual; f2sa and
hjfbio make no products.

With --batch-size every gradient and every product of a method is made on a mini-batch of its own; what is recorded
beside the run is that of all samples. --set METHOD.batch_size=B gives one method another size.

A finished run is written at once, so killing the comparison loses at most the run in flight; --resume goes on from
there. One command at a time writes to a folder. A run that fails is kept as failed, named with its message in the
table's report, and left out of the means."""

COMPARE_EPILOG = """\
default options (theta is step_y, eta is step_v; N and m as in the first table)
{table}

  Those of the image problems and of synthetic are the paper's where it states them, except for digits (N = 10 for all,
  theta = 0.3, chosen for this small set), ttsa (decays with the exponents of its authors) and stable (momentum,
  without which it is another method). The paper gives soba and hjfbio twice as many iterations (soba three times on
  synthetic); here all make the same number unless --set says otherwise. Nothing is tuned for one method alone. stable
  forms dense n_y x n_y matrices in every iteration; hoag, maid and recycled-newton solve to an accuracy and refuse
  mini-batches: these are run only where they are named.

files written to --out, each complete or not at all
  runs/METHOD-SEED.npz   the trace of a run, what was recorded at recorded_k, x, y, v, its settings and outcome
  comparison.json        settings, values of every seed, means and deviations, failures (infinity is null)
  table.txt              the table
  figure.png             ||h||, residual and accuracy against iterations, time and products; needs matplotlib

exit status
  0    the comparison was made, failed runs included
  2    an argument or a file cannot be used; one line on the error output says which. A file that could not be written
       is named in the report, which has all numbers
  130  stopped by Ctrl-C, or told to end (SIGTERM, SIGHUP); the table of what exists is written

examples
  lancbio-ref compare quadratic --seeds 1-5
  lancbio-ref compare digits --methods lancbio,subbio,amigo-cg,stocbio --seeds 1-10
  lancbio-ref compare mnist --data-dir data --methods lancbio,soba --set soba.maxiter=6000 --out runs/mnist --resume
  lancbio-ref compare mnist --data-dir data --train 20000 --batch-size 256 --set soba.batch_size=128 --halve-from 500
  lancbio-ref compare synthetic --n 10000 --condition 1e5 --matrix-free --set lancbio.subspace=80"""


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``lancbio-ref``; options that were not given are None."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="lancbio-ref", description=DESCRIPTION, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"lancbio-ref {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    run = commands.add_parser(
        "run", help="run a job (digits by default)", description=RUN_DESCRIPTION, epilog=RUN_EPILOG, formatter_class=raw
    )
    run.add_argument("job", nargs="?", default="digits", choices=list(JOBS), metavar="JOB", help=", ".join(JOBS))
    files = run.add_argument_group("files")
    files.add_argument("--data-dir", metavar="DIR", help="folder of the idx files of an image job (default: download)")
    files.add_argument("--out", metavar="DIR", help="where to write (default: lancbio-runs/JOB)")
    files.add_argument("--quiet", action="store_true", help="show no progress, only the report")
    method = run.add_argument_group("method (defaults by job: see the table below)")
    method.add_argument("--method", choices=["lancbio", "subbio"], help="default: lancbio")
    method.add_argument("--maxiter", type=int, metavar="K", help="outer iterations")
    method.add_argument("--tol", type=float, metavar="T", help="stop when ||h||_2 <= T (default: 0, never)")
    method.add_argument("--step-x", type=float, metavar="S", help="lambda, the step length of x")
    method.add_argument("--step-y", type=float, metavar="S", help="theta, the step length of y")
    method.add_argument("--step-v", type=float, metavar="S", help="eta in SubBiO's second direction (subbio only)")
    method.add_argument("--inner-steps", type=int, metavar="N", help="steps in y before each step in x")
    method.add_argument("--subspace", type=int, metavar="M", help="largest subspace dimension (lancbio only)")
    _add_certify(method)
    data = run.add_argument_group("problem")
    data.add_argument("--seed", type=int, metavar="S", help="of label noise, start and synthetic data (default: 1)")
    data.add_argument(
        "--corruption", type=float, metavar="F", help="fraction of training labels made wrong (default: 0.5)"
    )
    data.add_argument("--regularization", type=float, metavar="C", help="c in the penalty c ||y||^2")
    data.add_argument("--train", type=int, metavar="N", help="image jobs: the first N training images (default: 5000)")
    data.add_argument("--n", type=int, metavar="N", help="synthetic: length of x and of y (default: 1000)")
    data.add_argument("--condition", type=float, metavar="K", help="synthetic: condition number of G (default: 1000)")
    data.add_argument(
        "--matrix-free", action="store_true", default=None, help="synthetic: never form G; for n of 10000 and more"
    )
    run.set_defaults(handler=lambda given: run_job(make_settings(given.pop("job"), given)))
    _add_compare(commands, raw)
    commands_check.add_parser(commands, raw).set_defaults(handler=commands_check.run)
    commands_diagnose.add_parser(commands, raw).set_defaults(handler=commands_diagnose.run)
    commands_vectors.add_parser(commands, raw).set_defaults(handler=commands_vectors.run)
    return parser


def _add_certify(group: Any) -> None:
    """Both commands check the last hyper-gradient unless told not to."""
    group.add_argument(
        "--certify",
        action=argparse.BooleanOptionalAction,
        help="compare the last h with a certified gradient of phi (default: yes)",
    )


def _add_compare(commands: Any, raw: type[argparse.HelpFormatter]) -> None:
    """The parser of ``lancbio-ref compare``."""
    compare = commands.add_parser(
        "compare",
        help="compare methods on one problem",
        description=COMPARE_DESCRIPTION,
        epilog=COMPARE_EPILOG.format(table=options_table()),
        formatter_class=raw,
    )
    compare.add_argument("job", choices=list(PROBLEMS), metavar="PROBLEM", help=", ".join(PROBLEMS))
    files = compare.add_argument_group("files")
    files.add_argument("--data-dir", metavar="DIR", help="folder of the data files (default: download)")
    files.add_argument("--out", metavar="DIR", help="where to write (default: lancbio-runs/compare-PROBLEM)")
    files.add_argument("--resume", action="store_true", help="keep the runs in --out, failed ones too; make the others")
    files.add_argument("--quiet", action="store_true", help="show no progress, only the table")
    runs = compare.add_argument_group("runs")
    runs.add_argument(
        "--methods", metavar="A,B", help=f"of {', '.join(names())}; or all (default: all but {', '.join(NAMED_ONLY)})"
    )
    runs.add_argument("--seeds", metavar="S", help="such as 1-10 or 1,3,7-9 (default: 1-3)")
    runs.add_argument("--maxiter", type=int, metavar="K", help="outer iterations of every method")
    runs.add_argument("--every", type=int, metavar="E", help="record every E iterations; divides K (default: K/100)")
    runs.add_argument(
        "--set",
        action="append",
        metavar="METHOD.OPTION=VALUE",
        help="an option of one method, its maxiter or batch_size; repeat",
    )
    runs.add_argument(
        "--batch-size", metavar="B", help="stochastic: samples a mini-batch, B or UPPER,LOWER (problems with samples)"
    )
    _add_certify(runs)
    runs.add_argument("--halve-from", type=int, metavar="K", help="halve step_x and step_y from iteration K on")
    data = compare.add_argument_group("problem")
    data.add_argument("--train", type=int, metavar="N", help="image problems: training images (default: 5000)")
    data.add_argument("--corruption", type=float, metavar="F", help="fraction of wrong training labels (default: 0.5)")
    data.add_argument("--regularization", type=float, metavar="C", help="c in the penalty c ||y||^2")
    data.add_argument("--n", type=int, metavar="N", help="synthetic (1000), quadratic (20): length of x and of y")
    data.add_argument("--condition", type=float, metavar="K", help="synthetic (1000), quadratic (10): condition number")
    data.add_argument(
        "--matrix-free", action="store_true", default=None, help="synthetic: never form G; for n of 10000 and more"
    )
    compare.set_defaults(handler=lambda given: run_comparison(make_comparison(given.pop("job"), given)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``lancbio-ref`` with these arguments; returns the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.
    """
    with outlets(own_process=arguments is None) as out:
        try:
            given = vars(make_parser().parse_args(arguments))
        except SystemExit:  # help, the version, or an error that was said
            if why := _lost(out):
                _complain("lancbio-ref", f"the output could not be written ({why})")
                return 2
            raise
        command, handler = given.pop("command"), given.pop("handler")
        code, report = _handled(command, handler, given)
        print(printable(report), end="\n" if report else "")
        out.flush()
        if why := _lost(out):
            _complain(f"lancbio-ref {command}", f"the report could not be printed ({why})")
            return 2 if command == "vectors" else code  # which makes nothing but what it prints
        return code


def _handled(
    command: str, handler: Callable[[dict[str, Any]], tuple[int, str]], given: dict[str, Any]
) -> tuple[int, str]:
    """Exit status and report of a command; an error is said, in one line."""
    name = f"lancbio-ref {command}"
    try:
        return handler(given)
    except LancbioError as error:
        _complain(name, error)
    except MemoryError as error:
        _complain(name, f"not enough memory ({error or 'none left'}): choose a smaller problem")
    except OSError as error:
        _complain(name, error)
    except KeyboardInterrupt:
        left = "the finished runs are kept: --resume goes on from there"
        _complain(name, f"interrupted; {left if command == 'compare' else 'nothing was written'}")
        return 130, ""
    except Exception:
        traceback.print_exc()
        _complain(name, "a mistake of this program, which should not happen: please report the lines above")
    return 2, ""


def _complain(name: str, what: object) -> None:
    print(f"{name}: {one_line(what)}", file=sys.stderr, flush=True)


def _lost(out: Outlet) -> str:
    """Why what somebody waits for could not be printed; nothing where it was printed, or nobody waits."""
    return "" if out.failure is None or out.failure.errno in NOBODY_READS else reason(out.failure)
