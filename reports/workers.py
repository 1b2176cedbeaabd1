"""Files read by several processes, in the order in which one process would read them.

The processes are plain interpreters that take jobs on their standard input. `multiprocessing`
would run the caller's own script again in each of them.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from queue import SimpleQueue
from threading import Lock
from typing import IO, Any, Self, TypeVar, cast

from oodrop import OodropError
from oodrop.reports.samplefile import Job, Sheet, read_sheet

MOST_PROCESSES = 4
SMALL = 64 * 2**20
_START = (
    "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from oodrop.reports.workers import serve; serve(sys.stdin.buffer, sys.stdout.buffer)"
)
J = TypeVar("J")
R = TypeVar("R")
_LENGTH = struct.Struct("<Q")


def read_sheets(jobs: Sequence[Job], processes: int | None = None) -> list[Sheet]:
    """Every job's sheet, in order; they do not depend on the number of processes.

    Args:
        jobs: what to read.
        processes: how many; None for one per usable core, at most `MOST_PROCESSES`, and for none
            beside this one where all files are below `SMALL` bytes together.

    Raises:
        OodropError: of the first job that has one, or when a process is killed.
    """
    wanted = _suitable(jobs) if processes is None else processes
    found = []
    with closing(run_jobs(read_sheet, jobs, wanted)) as sheets:
        for job, sheet in zip(jobs, sheets, strict=True):
            if isinstance(sheet, EndedError):
                raise OodropError(f"{job.path}: {sheet}")
            if isinstance(sheet, OodropError):
                raise sheet
            found.append(sheet)
    return found


def run_jobs(
    function: Callable[[J], R], jobs: Sequence[J], processes: int
) -> Generator[R | OodropError, None, None]:
    """What a function gives for each job, or the error that it raises, in the order of the jobs.

    Args:
        function: of the top level of a module.
        jobs: what it is called with.
        processes: how many; below 2 it is this one.

    Yields:
        `EndedError` for a job whose process was killed; the others go on. Close it where not all is
        wanted: the processes end then.
    """
    wanted = min(processes, len(jobs))
    if wanted < 2 or not sys.executable:
        for job in jobs:
            yield _tried(function, job)
        return
    with ExitStack() as stack:
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for _ in range(wanted):
            idle.put(stack.enter_context(_Worker()))
        threads = stack.enter_context(ThreadPoolExecutor(wanted))
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)

        def run(job: J) -> R | OodropError:
            worker = idle.get()
            try:
                return cast("R | OodropError", worker.run(function, job))
            finally:
                idle.put(worker)

        yield from threads.map(run, jobs)


class EndedError(OodropError):
    """The process that did a job was killed."""


def _tried(function: Callable[[J], R], job: J) -> R | OodropError:
    try:
        return function(job)
    except OodropError as error:
        return error


def serve(jobs: IO[bytes], results: IO[bytes]) -> None:
    """In a worker: do jobs until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
    sys.stdout = sys.stderr  # what is printed must not get among the results
    while True:
        try:
            function, job = pickle.load(jobs)  # noqa: S301  # of the process that started this one
        except EOFError:
            return
        message = pickle.dumps(_tried(function, job), pickle.HIGHEST_PROTOCOL)
        results.write(_LENGTH.pack(len(message)) + message)
        results.flush()


def _suitable(jobs: Sequence[Job]) -> int:
    if sum(job.path.stat().st_size for job in jobs if job.path.is_file()) < SMALL:
        return 1
    return cores()


def cores() -> int:
    """How many processes work at once: one per usable core, at most `MOST_PROCESSES`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(usable or 1, MOST_PROCESSES)


class _Worker:
    """A process that does one job after the other, until it is left."""

    def __init__(self) -> None:
        self._left, self._turn = False, Lock()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and words
            [sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._jobs = cast(IO[bytes], self._process.stdin)
        self._results = cast(IO[bytes], self._process.stdout)
        self._send(sys.path)
        return self

    def __exit__(self, *error: object) -> None:
        with self._turn:
            self._left = True
            self._end()

    def _end(self) -> None:
        self._process.kill()  # it holds nothing that would be lost
        self._process.communicate()

    def run(self, function: Callable[[Any], Any], job: object) -> Any:
        """What the function gives for the job, or its error; `EndedError` when the process died."""
        self._send((function, job))
        head = self._results.read(_LENGTH.size)
        message = self._results.read(*_LENGTH.unpack(head)) if len(head) == _LENGTH.size else b""
        if not message:
            code = self._process.wait()
            with self._turn:
                if not self._left:  # the next job has a process again
                    self._end()
                    self.__enter__()
            return EndedError(f"the process that read it was ended (code {code})")
        return pickle.loads(message)  # noqa: S301  # of our own process

    def _send(self, value: object) -> None:
        with suppress(BrokenPipeError):  # `run` says that it is gone
            pickle.dump(value, self._jobs, pickle.HIGHEST_PROTOCOL)
            self._jobs.flush()
