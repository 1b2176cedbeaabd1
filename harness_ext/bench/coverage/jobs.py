"""Studies in processes of their own, which tell what they are doing and end with their cells."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from oodrop import OodropError
from oodrop.harness_ext.bench.coverage.cell import Cell
from oodrop.harness_ext.bench.coverage.studies import Job


@dataclass(frozen=True)
class _Failure:
    """What went wrong in a worker: in one line, and where."""

    words: str
    trace: str


@dataclass(frozen=True)
class _Worker:
    """A started process, the end of its pipe, and which job it does."""

    number: int
    name: str
    process: BaseProcess
    pipe: Connection

    @classmethod
    def start(cls, number: int, job: Job, repetitions: int, seed: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(job, repetitions, seed, theirs), daemon=True)
        with _interrupts_wait():
            process.start()
        # Only the worker holds the other end now: when it dies, reading here ends.
        theirs.close()
        return cls(number, getattr(job, "__module__", "").rpartition(".")[2], process, ours)

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def run_jobs(
    jobs: Sequence[Job],
    repetitions: int,
    seed: int,
    notify: Callable[[str], None],
    *,
    processes: int,
) -> list[Cell]:
    """The cells of all jobs, in the order of the jobs; at most `processes` run at a time.

    Whatever ends this call, Ctrl-C included, ends the processes; they themselves ignore Ctrl-C,
    which reaches all processes of a terminal.

    Raises:
        OodropError: when a job fails; its traceback is a note of the error.
    """
    waiting, running = list(enumerate(jobs)), list[_Worker]()
    found: dict[int, list[Cell]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                running.append(_Worker.start(*waiting.pop(0), repetitions, seed))
            ready = wait([worker.pipe for worker in running])
            for worker in [worker for worker in running if worker.pipe in ready]:
                message = _message(worker)
                if isinstance(message, str):
                    notify(message)
                else:
                    found[worker.number] = message
                    running.remove(worker)
                    worker.stop()
    finally:
        for worker in running:
            worker.stop()
    return [cell for number in range(len(jobs)) for cell in found[number]]


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """What starts here never hears Ctrl-C, not even while it imports; we hear it afterwards."""
    if sys.platform == "win32":
        yield
        return
    # Its first start lifts the block again.
    resource_tracker.ensure_running()
    # A block is for this thread alone: another one may be told of Ctrl-C, and then this one would
    # hear it in the middle of a start.
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
        if heard:
            signal.raise_signal(signal.SIGINT)


def _message(worker: _Worker) -> str | list[Cell]:
    try:
        message: str | list[Cell] | _Failure = worker.pipe.recv()
    except EOFError:
        raise OodropError(
            f"the process of the study {worker.name} ended without a result"
        ) from None
    if isinstance(message, _Failure):
        error = OodropError(f"the study {worker.name} failed: {message.words}")
        error.add_note(message.trace)
        raise error
    return message


def _work(job: Job, repetitions: int, seed: int, pipe: Connection) -> None:
    """In a worker."""
    try:
        pipe.send(list(job(repetitions, seed, pipe.send)))
    except BrokenPipeError:
        return  # nobody is there any more who would want it
    except Exception as error:
        pipe.send(_Failure(f"{type(error).__name__}: {error}", traceback.format_exc()))
