"""Processes that are measured: started on a core, watched, and ended by whoever started them."""
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, min(1, os.cpu_count() - 1)
TICK = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A measurement that can't be made; its text says what to do."""


def pinned(command, core):
    return ["taskset", "-c", str(core), *map(str, command)]


def run(command, **options):
    """Runs to the end and returns its output; what it says goes into the error if it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def seconds_of(command):
    start = time.monotonic()
    run(command)
    return time.monotonic() - start


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def started(command, log, core=None, **options):
    """A server, for the time of a `with`. Its log is told if it ends by itself."""
    with open(log, "ab") as output:
        full = pinned(command, core) if core is not None else list(map(str, command))
        process = subprocess.Popen(full, stdout=options.pop("stdout", output), stderr=output, **options)
    try:
        yield process
        if process.poll() is not None:
            raise Broken(f"{command[0]} ended by itself:\n{Path(log).read_text(errors='replace')[-2000:]}")
    finally:
        end(process)
        if process.stdout:
            process.stdout.close()


def cpu_seconds(pid):
    """User and system time of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_seconds_of_tree(pid):
    """The same of a process and its children, also of those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[11:15])) / TICK
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            total += cpu_seconds(child)
        except FileNotFoundError:  # it ended meanwhile
            pass
    return total


def anonymous_bytes(pid):
    """Memory that belongs to the process alone: all but mapped files that it has not changed."""
    found = re.search(r"^Anonymous:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def peak_anonymous_bytes(command):
    """The most that `anonymous_bytes` says while a command runs, asked every 20 ms."""
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        said = []
        reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
        reader.start()
        peak = 0
        try:
            while process.poll() is None:
                try:
                    peak = max(peak, anonymous_bytes(process.pid))
                except (FileNotFoundError, ProcessLookupError):
                    break
                time.sleep(0.02)
        finally:
            end(process)
            reader.join()
        if process.wait() != 0:
            raise Broken(f"{' '.join(map(str, command))}:\n{said[0].decode(errors='replace')}")
        return peak
