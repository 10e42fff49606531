"""A program of the person's own that prints watts: for USB and wall meters, and whatever else.

::

    device: {meter: {command: [read_wall_meter.py, --port, /dev/ttyUSB0]}}

It prints one number a line for as long as it runs, or prints and ends with 0 and is started again.
A line is stamped when it arrives, and stands for the time since the one before, as meters average
over their own interval.

::

    start                                                   stop
      | program ---> 2.1   (it works: the stretch begins)     |
      |              ---- 5.0 ---- 5.2 ---- 5.1 ---- 5.0 -----| the last one holds to the end
"""

from __future__ import annotations

import math
import os
import select
import shutil
import subprocess
import tempfile
import threading
import time
from typing import IO, Callable, Iterator, List, Optional, Sequence, Tuple

from evaluators.failures import DeviceLost
from evaluators.meters.meter import WHOLE_BOARD, EnergyReading, Meter
from evaluators.meters.sampled import leave_the_works_cpus

PATIENCE_S = 10.0
"""How long the first reading may take: a wall meter's radio needs a moment."""
RESTART_S = 0.2
"""Least time from one start of a program that ends to the next."""
_STDERR_TAIL_BYTES = 300


class CommandMeter(Meter):
    """What a program measures; nobody else knows what that is, so it is never chosen unasked.

    Args:
        program: The program, on ``PATH`` or with its path, and its arguments. No shell is involved.
        clock: Monotonic clock, seconds. Tests pass a fake one.
        patience_s: How long to wait for the first reading.
    """

    name = "command"
    processors = WHOLE_BOARD
    shortest_s = 2.5

    def __init__(
        self,
        program: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._program = tuple(program)
        self._clock = clock
        self._patience_s = patience_s
        self._listener: Optional[_Listener] = None

    def domains(self) -> List[str]:
        """Return the program's name."""
        return [os.path.basename(word) for word in self._program[:1]]

    def unavailable_reason(self) -> Optional[str]:
        """Run the program until it has printed one reading, and say why if it doesn't."""
        if not self._program:
            return "the space file names its program: device.meter: {command: [program, argument]}"
        if shutil.which(self._program[0]) is None:
            rule = "the program must be on PATH or executable, but {!r} isn't there"
            return rule.format(self._program[0])
        try:
            self._listen().stop()
        except DeviceLost as lost:
            return lost.reason.rstrip(".")
        return None

    def start(self) -> None:
        """Run the program; the stretch begins with its first reading."""
        self._listener = self._listen()
        self._listener.begin()

    def stop(self) -> EnergyReading:
        """Kill the program and add up what it printed since `start`."""
        assert self._listener is not None
        self._listener.stop()
        held = self._listener.held
        if held.readings == 0:
            raise DeviceLost(
                "{} must print more often: it was measured for {:.3g} s, and it printed nothing "
                "meanwhile.".format(self.domains()[0], held.seconds)
            )
        energy_j = {self.domains()[0]: held.energy_j}
        return EnergyReading.of(energy_j, held.seconds, held.readings)

    def _listen(self) -> _Listener:
        """Run the program until it was heard or failed."""
        listener = _Listener(self._program, self._clock)
        listener.start()
        if not listener.heard.wait(self._patience_s):
            listener.stop()
            raise DeviceLost(
                "{} must print watts, one number a line, but printed nothing within {:g} s. It may "
                "have to flush every line.".format(self.domains()[0], self._patience_s)
            )
        return listener


class HeldPower:
    """Energy from readings that each stand for the time since the one before.

    Example:
        From 0 s on: 2 W at 1 s and 4 W at 3 s make 10 J in 3 s; closed at 4 s, 14 J in 4 s.
    """

    def __init__(self, began_s: float) -> None:
        self.energy_j = 0.0
        self.seconds = 0.0
        self.readings = 0
        self._last_s = began_s
        self._last_w = 0.0

    def add(self, time_s: float, watts: Sequence[float]) -> None:
        """Take the readings that arrived together; they share the time since the last."""
        self._last_w = sum(watts) / len(watts)
        self.readings += len(watts)
        self.close(time_s)

    def close(self, time_s: float) -> None:
        """Let the last reading hold until now."""
        elapsed_s = time_s - self._last_s
        self.energy_j += self._last_w * elapsed_s
        self.seconds += elapsed_s
        self._last_s = time_s


class _Listener:
    """Runs the program in a thread that hears it, until it is stopped or the program fails."""

    def __init__(self, program: Tuple[str, ...], clock: Callable[[], float]) -> None:
        self._program = program
        self._clock = clock
        self._lock = threading.Lock()
        self._process: Optional[subprocess.Popen] = None
        self._is_stopped = False
        self._is_silent = True
        self._failure: Optional[str] = None
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="power command", daemon=True)
        self.heard = threading.Event()
        self.held = HeldPower(clock())

    def start(self) -> None:
        self._thread.start()

    def begin(self) -> None:
        """Forget what was heard so far.

        Raises:
            DeviceLost: If the program has failed already.
        """
        with self._lock:
            self.held = HeldPower(self._clock())
            failed = self._failure is not None
        if failed:
            self.stop()

    def stop(self) -> None:
        """Kill the program and wait for the thread.

        Raises:
            DeviceLost: If the program failed.
        """
        with self._lock:
            self._is_stopped = True
            self.held.close(self._clock())
            if self._process is not None:
                self._process.kill()
        os.write(self._wake_write, b"!")
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)
        if self._failure is not None:
            raise DeviceLost(self._failure)

    def _run(self) -> None:
        leave_the_works_cpus()  # the program inherits them
        while not self._is_stopped and self._failure is None:
            started_s = time.monotonic()
            with tempfile.TemporaryFile() as stderr:
                self._failure = self._hear_one_run(stderr)
            pause_s = 0.0 if self._failure else started_s + RESTART_S - time.monotonic()
            select.select([self._wake_read], [], [], max(0.0, pause_s))
        self.heard.set()

    def _hear_one_run(self, stderr: IO[bytes]) -> Optional[str]:
        """Return what went wrong, or None."""
        try:
            process = self._launch(stderr)
        except OSError as error:
            return "{} can't be run: {}.".format(self._program[0], error.strerror)
        if process is None:
            return None
        with process:
            rubbish = self._hear(process)
            if rubbish is not None:
                process.kill()
            code = process.wait()
        problem = self._ending(code) if rubbish is None else "printed {!r}".format(rubbish)
        if self._is_stopped or problem is None:
            return None
        return _failure(self._program[0], problem, _tail(stderr))

    def _ending(self, code: int) -> Optional[str]:
        if code != 0:
            return "ended with exit code {}".format(code)
        return "ended without a reading" if self._is_silent else None

    def _launch(self, stderr: IO[bytes]) -> Optional[subprocess.Popen]:
        with self._lock:
            if self._is_stopped:
                return None
            self._process = subprocess.Popen(  # noqa: S603  the person's own program, no shell
                self._program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
            )
            return self._process

    def _hear(self, process: subprocess.Popen) -> Optional[str]:
        """Take readings until the program ends or is stopped; return what was no number."""
        assert process.stdout is not None
        self._is_silent = True
        for lines in self._chunks(process.stdout.fileno()):
            watts = []
            for line in filter(bytes.strip, lines):
                power_w = _watts(line)
                if power_w is None:
                    return line.decode(errors="replace").strip()[:60]
                watts.append(power_w)
            if watts:
                self._is_silent = False
                self._take(watts)
        return None

    def _chunks(self, stdout: int) -> Iterator[List[bytes]]:
        """Yield the lines that arrive together, until the program ends or is stopped."""
        rest = b""
        while self._wake_read not in select.select([stdout, self._wake_read], [], [])[0]:
            data = os.read(stdout, 65536)
            if not data:
                yield [rest]
                return
            *lines, rest = (rest + data).split(b"\n")
            yield lines

    def _take(self, watts: List[float]) -> None:
        with self._lock:
            if not self._is_stopped:
                self.held.add(self._clock(), watts)
        self.heard.set()


def _watts(line: bytes) -> Optional[float]:
    """Return the number, or None if it can't be a power."""
    try:
        value = float(line)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _failure(program: str, problem: str, tail: str) -> str:
    rule = "must print watts, one number a line, until it is killed or ends with exit code 0"
    said = ". Its last words: {}".format(tail.rstrip(".")) if tail else ""
    return "{} {}, but {}{}.".format(os.path.basename(program), rule, problem, said)


def _tail(stderr: IO[bytes]) -> str:
    """Return the last line that the program wrote to standard error."""
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _STDERR_TAIL_BYTES))
    lines = stderr.read().decode(errors="replace").split("\n")
    words = [line.strip() for line in lines if line.strip()]
    return words[-1] if words else ""


METER = CommandMeter()
