"""What a Dask cluster does to a run: clients, workers and schedulers that end, and problems whose samples it has."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from lancbio_ref import BilevelResult, hypergradient, minimize, problems
from lancbio_ref.errors import ArgumentError, ClusterError
from tests.blocks import on_workers

distributed = pytest.importorskip("distributed", reason="Dask is not installed: make test-guests installs it")
da = pytest.importorskip("dask.array", reason="Dask's arrays are not installed")

import dask  # noqa: E402
from dask import delayed  # noqa: E402

from lancbio_ref.blocks import cluster as cluster_of_blocks  # noqa: E402
from lancbio_ref.blocks import sizing  # noqa: E402
from lancbio_ref.blocks.dask import DaskBlocks  # noqa: E402
from lancbio_ref.blocks.from_dask import dask_blocks  # noqa: E402
from lancbio_ref.blocks.sizing import rows_per_block  # noqa: E402
from tests.blocks.on_cluster import CUTS, N, P, asked, cut, running, samples, two_workers  # noqa: E402, F401

# -- what the cluster does -----------------------------------------------------------------------


def test_without_a_client_the_remedy_is_in_the_message(data):
    lazy = da.from_array(data[0], chunks=(700, P))
    with pytest.raises(ArgumentError, match="dask scheduler"):
        dask_blocks(lazy, data[1])


def test_a_closed_client_is_said_so(data):
    with running(1) as (_, client):
        blocks = dask_blocks([delayed(part) for part in cut(data[0])], data[1], client=client)
        client.close()
        for ask in (
            lambda: asked(blocks),
            lambda: blocks.take(np.array([1])),
            lambda: blocks.with_offset(np.ones(P + 1)),
        ):
            with pytest.raises(ClusterError, match=r"closed.*go on with state="):
                ask()
        with pytest.raises(ArgumentError, match="closed"):
            dask_blocks(da.from_array(data[0]), data[1], client=client)


def test_blocks_that_no_worker_holds_are_refused_before_they_are_loaded(data):
    calls = []

    def never():
        calls.append(1)
        return np.zeros((10**5, 100))

    # the worker is in this process, which has more than its limit: it is not to pause for that
    with dask.config.set({"distributed.worker.memory.pause": False}), running(1, memory_limit="100MB") as (_, client):
        large = da.from_delayed(delayed(never)(), (10**5, 100), np.float64)
        with pytest.raises(ArgumentError, match=r"a block of 100000 rows, 80 MB.*at most 37500 rows"):
            dask_blocks(large, np.zeros(10**5), client=client)
        many = da.concatenate([da.from_delayed(delayed(never)(), (10**4, 100), np.float64) for _ in range(10)])
        with pytest.raises(ArgumentError, match=r"80 MB for 1 workers of 100 MB.*more workers"):
            dask_blocks(many, np.zeros(10**5), client=client)
        assert not calls


def test_no_worker_at_all_does_not_wait_for_ever(data, monkeypatch):
    monkeypatch.setattr(cluster_of_blocks, "PATIENCE", 0.3)
    with running(1) as (cluster, client):
        blocks = dask_blocks([delayed(part) for part in cut(data[0])], data[1], client=client)
        cluster.scale(0)
        while client.scheduler_info()["workers"]:
            time.sleep(0.02)
        with pytest.raises(ClusterError, match="no worker is left"):
            asked(blocks)
        with pytest.raises(ArgumentError, match="without a worker"):
            dask_blocks(da.from_array(data[0]), data[1], client=client)


def test_workers_with_another_version_are_refused(client, data, monkeypatch):
    from lancbio_ref.blocks import from_dask

    monkeypatch.setattr(from_dask, "__version__", "0.0.7")
    with pytest.raises(ClusterError, match=r"not 0\.0\.7"):
        dask_blocks([delayed(data[0])], data[1], client=client)


def test_the_rule_for_blocks_is_measured_on_the_cluster(client):
    rows = rows_per_block(10, client=client)
    assert rows > 1000 and rows_per_block(10, 2000, client=client) == 1000  # one for each of two workers
    with pytest.raises(ArgumentError, match="dtype: found int64"):
        rows_per_block(10, dtype=np.int64, client=client)


def test_auto_cuts_the_blocks_by_the_rule(client, classes, monkeypatch):
    asked = []
    monkeypatch.setattr(sizing, "rows_per_block", lambda p, n, **dtype: asked.append((p, n, dtype)) or -(-n // 2))
    with client.as_current():
        problem = problems.logistic(*lazily(*classes), block_rows="auto")
        assert problem.train.blocks.rows == (N // 2, N // 2) and problem.validation.blocks.rows == (350, 350)
        assert asked == [(P, N, dict(dtype="d")), (P, 700, dict(dtype="d"))]
        X, t = classes[:2]
        unknown = da.from_array(X, chunks=(CUTS[1], P))
        unknown = unknown[unknown[:, 0] > -99]
        with pytest.raises(ArgumentError, match=r"X_train: .*compute_chunk_sizes"):
            problems.logistic(unknown, t, *classes[2:], block_rows="auto")
        with pytest.raises(ArgumentError, match=r"block_rows: .*a list has its blocks"):
            problems.logistic([delayed(part) for part in cut(X)], t, *classes[2:], block_rows="auto")
    here = problems.logistic(*classes, block_rows="auto")  # of memory: about 16 MB
    assert here.train.blocks.rows == (N,)


# -- problems and runs -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classes():
    """(X, labels, X_val, labels_val), labels −1 and 1."""
    rng = np.random.default_rng(2)
    X, X_val = rng.standard_normal((N, P)), rng.standard_normal((700, P))
    return X, np.sign(X @ np.arange(P) + rng.standard_normal(N)), X_val, np.sign(X_val @ np.arange(P))


def lazily(X, labels, X_val, labels_val):
    train = da.from_array(X, chunks=(CUTS[1], P)), da.from_array(labels, chunks=CUTS[1])
    return *train, da.from_array(X_val, chunks=(300, 4)), da.from_array(labels_val, chunks=500)


def here(X, labels, X_val, labels_val):
    return cut(X), labels, [X_val[:300], X_val[300:600], X_val[600:]], labels_val


PROBLEMS = {
    "logistic": problems.logistic,
    "ridge": problems.ridge,
    "data_cleaning": problems.data_cleaning,
    "intercept": lambda X, t, X_val, t_val: problems.generalized_linear(
        X, t, loss="huber", validation=(X_val, t_val), penalty="all", intercept=True
    ),
    "centre": lambda X, t, X_val, t_val: problems.generalized_linear(
        X, t, loss="squared", validation=(X_val, t_val), penalty="all", intercept="centre"
    ),
    "folds": lambda X, t, X_val, t_val: problems.generalized_linear(
        X, (t > 0).astype(int), loss="logistic", folds=3, penalty="all", intercept=True
    ),
    "multinomial": lambda X, t, X_val, t_val: problems.generalized_linear(
        X, (t > 0).astype(int), loss="multinomial", validation=(X_val, (t_val > 0).astype(int)), penalty="class"
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_hypergradient_and_its_certificate_are_those_of_one_machine(client, classes, name):
    with client.as_current():
        there, expected = PROBLEMS[name](*lazily(*classes)), PROBLEMS[name](*here(*classes))
        x = np.full(expected.n_x, -1.0)
        found, sure = hypergradient(there, x), hypergradient(expected, x)
        assert found.value.tobytes() == sure.value.tobytes() and np.isfinite(sure.error_bound)
        assert str(found.certificate) == str(sure.certificate) and found.error_bound == sure.error_bound
        assert found.lower_level_bound == sure.lower_level_bound
        if hasattr(expected, "classes"):
            assert there.classes.values.tolist() == expected.classes.values.tolist()


def test_batches_are_drawn_in_the_blocks(client, classes):
    options = dict(maxiter=6, batch_size=(30, 50), rng=1, step_x=0.5, step_y=0.2)
    with client.as_current():
        found, expected = (
            minimize(problems.logistic(*given(*classes)), np.zeros(P), **options) for given in (lazily, here)
        )
    assert found.x.tobytes() == expected.x.tobytes() and found.y.tobytes() == expected.y.tobytes()
    assert len(found.batches) == len(expected.batches) > 6


def test_a_worker_is_killed_during_a_hypergradient(classes):
    expected = hypergradient(problems.logistic(*here(*classes)), np.zeros(P))
    rng = np.random.default_rng()
    with running(2, processes=True, default=True):
        problem = problems.logistic(*lazily(*classes))
        pids = sorted(pid for pid, _ in problem.train.blocks.map(on_workers.process))
        products, when = [], int(rng.integers(1, 12))

        def kill(*_):
            products.append(1)
            if len(products) == when:
                os.kill(int(rng.choice(pids)), signal.SIGKILL)

        blocks = problem.train.blocks
        there, blocks.map = blocks.map, lambda *arguments: (kill(), there(*arguments))[1]
        found = hypergradient(problem, np.zeros(P))
    assert len(products) > when and found.value.tobytes() == expected.value.tobytes()
    assert found.error_bound == expected.error_bound


TOGETHER = {"soba": dict(step_v=0.1), "hjfbio": {}, "f2sa": {}, "subbio": {}}  # ask for what shares a reading


def run_of(problem, method, maxiter=6, **more):
    x = {} if "state" in more else dict(x0=np.full(problem.n_x, -1.0))
    return minimize(problem, **x, method=method, maxiter=maxiter, step_x=0.05, step_y=0.05, **TOGETHER[method], **more)


@pytest.mark.parametrize("method", TOGETHER)
def test_a_client_that_is_closed_in_the_middle_of_what_is_asked_together(client, classes, method, monkeypatch):
    """One error, and the run goes on elsewhere, to the bits of one machine."""
    expected = run_of(problems.logistic(*here(*classes)), method)
    submitted, calls = DaskBlocks._submitted, []
    with distributed.Client(client.scheduler.address, set_as_default=False) as other:
        with other.as_current():
            problem = problems.logistic(*lazily(*classes))

        def closes(self, function, arguments):
            futures = submitted(self, function, arguments)
            calls.append(function.__name__)
            if calls.count("_several") == 4:
                other.close()
            return futures

        monkeypatch.setattr(DaskBlocks, "_submitted", closes)
        with pytest.raises(ClusterError, match="start the cluster again") as caught:
            run_of(problem, method)
        monkeypatch.undo()
    state = caught.value.result.state
    assert calls[-1] == "_several" and 0 < state.k < 6
    with client.as_current():
        more = run_of(problems.logistic(*lazily(*classes)), method, 6 - state.k, state=state)
    assert more.x.tobytes() == expected.x.tobytes() and more.y.tobytes() == expected.y.tobytes()


def test_a_scheduler_that_goes_is_one_error_and_the_run_goes_on_elsewhere(client, classes, tmp_path):
    """As the documentation starts a cluster: `dask scheduler` and `dask worker`."""
    options = dict(step_x=0.5, step_y=0.2, method="lancbio")
    expected = minimize(problems.logistic(*here(*classes)), np.zeros(P), maxiter=8, **options)
    dask, quiet = [sys.executable, "-m", "dask"], dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = tmp_path / "scheduler.json"
    own = dict(env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, cwd=tmp_path, **quiet)
    where = ["--scheduler-file", str(address), "--no-dashboard"]
    scheduler = subprocess.Popen([*dask, "scheduler", "--port", "0", *where], **own)
    worker = subprocess.Popen([*dask, "worker", *where, "--nthreads", "1", "--no-nanny"], **own)
    try:
        with distributed.Client(scheduler_file=str(address), timeout=60) as first:
            first.wait_for_workers(1, timeout=60)
            problem = problems.logistic(*lazily(*classes))

            def stop(state):
                if state.k == 5:
                    scheduler.kill()

            start = time.perf_counter()
            with pytest.raises(ClusterError, match=r"is gone .*state=error\.result\.state") as caught:
                minimize(problem, np.zeros(P), maxiter=8, callback=stop, **options)
            assert time.perf_counter() - start < 20
            with pytest.raises(ClusterError):
                hypergradient(problem, np.zeros(P))
    finally:
        scheduler.kill(), worker.kill()
        scheduler.wait(), worker.wait()
    caught.value.result.save(tmp_path / "run.npz")
    state = BilevelResult.load(tmp_path / "run.npz").state
    assert state.k == 5
    with client.as_current():
        result = minimize(problems.logistic(*lazily(*classes)), state=state, maxiter=3, **options)
    assert result.x.tobytes() == expected.x.tobytes() and result.y.tobytes() == expected.y.tobytes()


def test_what_blocks_do_not_have_is_refused_with_a_remedy(client, classes):
    X, t, X_val, t_val = lazily(*classes)
    with client.as_current():
        with pytest.raises(ArgumentError, match=r"folds\[0\]\[1\].*rows 9\.\.2300, expected"):
            problems.generalized_linear(X, t, folds=[(np.arange(9), np.arange(9, N + 1))])
        with pytest.raises(ArgumentError, match=r"X\.rechunk"):
            problems.logistic(X, t, X_val, t_val, block_rows=10)
