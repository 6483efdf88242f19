"""Where and with what a result was measured."""
import datetime
import os
import platform
import re
import subprocess
from pathlib import Path


def _first_line(command, **options):
    try:
        done = subprocess.run(command, capture_output=True, text=True, **options)
    except FileNotFoundError:
        return "?"
    return (done.stdout + done.stderr).partition("\n")[0].strip()


def describe(root, arguments):
    processor = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    system = re.search(r'^PRETTY_NAME="(.+)"$', Path("/etc/os-release").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    commit = _first_line(["git", "-C", root, "rev-parse", "--short=12", "HEAD"])
    changed = _first_line(["git", "-C", root, "status", "--porcelain", "--", "libpki", "server", "bench"])
    return "\n".join([
        f"- date: {datetime.date.today()}",
        f"- machine: {os.cpu_count()} cores {processor[1] if processor else platform.machine()}, {memory:.0f} GiB, "
        f"{system[1] if system else platform.system()}, Linux {platform.release()}, load average {os.getloadavg()[0]:.1f}",
        f"- with: {_first_line(['openssl', 'version'])}, {_first_line(['/usr/sbin/nginx', '-v'])}, {_first_line(['wrk', '-v'])}",
        f"- commit: {commit}{', with changes' if changed else ''}",
        f"- command: bench/run {' '.join(arguments)}".rstrip(),
    ])
