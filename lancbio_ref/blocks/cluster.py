"""What a Dask cluster is asked for, and what it means when it does not answer.

A task that fails raises here what it raised there. All else that can happen, a scheduler that is gone, a client that is
closed, workers that die over a task again and again, or that are all gone, is one :class:`ClusterError` with its
remedy; nothing is waited for without an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

AT_ONCE = 64  # results that are brought here together: many vectors of a million entries need not be here at a time
PATIENCE = 20.0  # seconds between two looks whether any worker is left, while results are waited for
ROOM = 0.6  # of the workers' memory: Dask writes to disk what is above
START = (
    "a client of a cluster that runs: `dask scheduler` and `dask worker ADDRESS` in shells of their own, then"
    " distributed.Client(ADDRESS); or distributed.Client() for the cores of this machine"
)
AGAIN = "start the cluster again, make the problem again from its data, and go on with state=error.result.state"


def client_of(client: Client | None, parts: Sequence[Any] = ()) -> Client:
    """The client given, that of futures among the parts, or the one that Dask itself would take.

    Raises
    ------
    ArgumentError
        None is there, it is closed, or it has no worker within `PATIENCE`.
    """
    import distributed

    client = next((part.client for part in parts if isinstance(part, distributed.Future)), client)
    if client is None:
        try:
            client = distributed.get_client()
        except ValueError:
            raise ArgumentError("client", "no Dask client", START) from None
    if client.status != "running":
        raise ArgumentError("client", f"a client that is {client.status}", START)
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        found = f"the scheduler {_address(client)} without a worker for {PATIENCE:g} s"
        raise ArgumentError("client", found, f"workers: `dask worker {_address(client)}`") from None
    return client


def require_alive(client: Client, futures: Sequence[Future]) -> None:
    """:class:`ClusterError` where the client is closed or what it stands for is lost."""
    if client.status != "running":
        raise ClusterError(f"the client of {_address(client)} is {client.status}", AGAIN)
    for number, future in enumerate(futures):
        if future.status == "cancelled":  # what is lost is being made again
            raise ClusterError(f"block {number} on {_address(client)} is {future.status}", AGAIN)


def sent(client: Client, name: str, function: Callable[..., Any], *columns: Sequence[Any]) -> list[Future]:
    """function(*row) for every row of the columns: as many tasks in one message, which the scheduler can make again."""
    with quiet_about_size():
        try:
            return list(client.map(function, *[list(column) for column in columns], pure=False, key=name))
        except Exception as error:
            raise _lost(client, error) if client.status != "running" else error from error


def quiet_about_size() -> AbstractContextManager[object]:
    """Dask's advice to scatter what is large is not for what has to be made again when a worker dies."""
    import dask

    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "100 GiB"})


def gathered(client: Client, futures: list[Future]) -> Iterator[Any]:
    """The results in order, `AT_ONCE` at a time."""
    while futures:
        here, futures = futures[:AT_ONCE], futures[AT_ONCE:]
        yield from _brought(client, here)


def _brought(client: Client, futures: list[Future]) -> list[Any]:
    """The results of tasks; what a worker had finished before it died is waited for again.

    Raises
    ------
    ClusterError
        Two looks in a row find no worker, or an answer is lost for good.
    """
    import distributed

    alone, limit = False, 10 * PATIENCE
    while True:
        if client.status != "running":
            raise _lost(client, None)
        try:
            with client.as_current():
                distributed.wait(futures, timeout=PATIENCE)
            for future in futures:
                if future.status in ("error", "cancelled"):
                    _raise(client, future)
            if all(future.status == "finished" for future in futures):
                return list(client.sync(client.gather, futures, callback_timeout=limit))
        except TimeoutError:
            none = not client.scheduler_info(n_workers=1)["workers"]
            if alone and none:
                what = f"no worker is left at {_address(client)}"
                raise ClusterError(what, f"`dask worker {_address(client)}` starts one; {AGAIN}") from None
            alone, limit = none, 2 * limit
        except (CancelledError, OSError) as error:
            raise _lost(client, error) from error


def _raise(client: Client, future: Future) -> None:
    """What the task raised, or what its end means."""
    import distributed

    if future.status != "error":
        raise _lost(client, None)
    error = future.exception()
    if isinstance(error, distributed.scheduler.KilledWorker):
        what = f"{error.allowed_failures + 1} workers died over the task {error.task}"
        raise ClusterError(what, "smaller blocks, or workers with more memory: most often that ran out") from error
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "lancbio_ref":
        what = f"the workers of {_address(client)} do not find lancbio_ref"
        raise ClusterError(what, "install it where `dask worker` runs, in the same version as here") from error
    if isinstance(error, CancelledError):
        raise _lost(client, error)
    raise error


def _lost(client: Client, error: BaseException | None) -> ClusterError:
    if client.status != "running":
        return ClusterError(f"{_scheduler(client)} is gone (the client is {client.status})", AGAIN)
    words = str(error).split("\n")[0] if error is not None else "cancelled"
    return ClusterError(
        f"data that a worker took along cannot be made again ({words})",
        "give collections, delayed objects or futures of tasks, not what client.scatter made: that lives on one worker",
    )


def require_room(client: Client, name: str, largest: int, total: int, rows: int) -> None:
    """:class:`ArgumentError` where one block, or all of them, are more than the workers may hold.

    A block is there twice while it is loaded.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [worker["memory_limit"] for worker in workers]
    if not limits or not all(limits):  # 0 is no limit
        return
    if 2 * largest > ROOM * max(limits):
        fits = max(int(rows * ROOM * max(limits) / (2 * largest)), 1)
        found = f"a block of {rows} rows, {_megabytes(largest)}, for workers of {_megabytes(max(limits))}"
        raise ArgumentError(name, found, f"blocks of at most {fits} rows: X.rechunk({{0: {fits}}})")
    if total > ROOM * sum(limits):
        found = f"{_megabytes(total)} for {len(limits)} workers of {_megabytes(sum(limits))} together"
        raise ArgumentError(name, found, f"at most {ROOM:.0%} of that: more workers, more memory, float32, or files")


def _address(client: Client) -> str:
    return str(getattr(client.scheduler, "address", "") or "the cluster")


def _scheduler(client: Client) -> str:
    """With its address, which a client that is closed knows no more."""
    address = getattr(client.scheduler, "address", "")
    return f"the scheduler {address}" if address else "the scheduler"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB"
