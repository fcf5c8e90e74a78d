"""Make a virtual environment that has pip, also where Python came without `ensurepip`.

Debian and Ubuntu split `ensurepip` into the package python3-venv, so a machine with only python3 and make
cannot run `python3 -m venv`. Then pip comes from the first of these that is there: a pip installed for this
Python, the package index named by PIP_INDEX_URL, or the Debian package python3-pip-whl (fetched without
installing it). Standard library only; run as `python3 requirements/make_venv.py FOLDER`.
"""

import hashlib
import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

OLDEST = (3, 11)
NO_PIP = """\
This Python has neither ensurepip nor pip, and pip could not be fetched. Install it once, then repeat:

    sudo apt-get update && sudo apt-get install python3-venv
"""


def main(folder: str) -> None:
    """Make the environment in `folder`, or keep a usable one that is already there."""
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        sys.exit("rro needs Python 3.11 or newer; " + sys.executable + " is " + found)
    target = Path(folder)
    if has_pip(target):
        return
    if importlib.util.find_spec("ensurepip"):
        run(sys.executable, "-m", "venv", "--clear", folder)
    else:
        run(sys.executable, "-m", "venv", "--clear", "--without-pip", folder)
        add_pip(target)


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True)


def has_pip(target: Path) -> bool:
    """Whether the environment is there and its pip starts."""
    python = target / "bin" / "python"
    return python.exists() and succeeds(str(python), "-m", "pip", "--version")


def succeeds(*command: str) -> bool:
    """Whether a command exists and ends with 0; what it prints is dropped."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def add_pip(target: Path) -> None:
    """Install pip into an environment that has none. Ends the program with the way out if nothing works."""
    python = str(target / "bin" / "python")
    if importlib.util.find_spec("pip"):
        run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "pip")
        return
    with tempfile.TemporaryDirectory() as scratch:
        wheel = wheel_from_index(Path(scratch)) or wheel_from_debian(Path(scratch))
        if wheel is None:
            shutil.rmtree(target)
            sys.exit(NO_PIP)
        # A wheel is a zip file, and Python runs a package inside one.
        run(python, str(wheel / "pip"), "install", "--quiet", "--no-index", str(wheel))


def wheel_from_index(scratch: Path) -> "Path | None":
    """Pip's newest wheel from the index that PIP_INDEX_URL names; None if it names none."""
    index = os.environ.get("PIP_INDEX_URL")
    if not index:
        return None
    page_url = index.rstrip("/") + "/pip/"
    with urllib.request.urlopen(page_url) as page:
        link = newest_wheel(page.read().decode())
    address, _, digest = urllib.parse.urljoin(page_url, link).partition("#sha256=")
    wheel = scratch / urllib.parse.unquote(address.rsplit("/", 1)[1])
    with urllib.request.urlopen(address) as answer:
        wheel.write_bytes(answer.read())
    if digest and hashlib.sha256(wheel.read_bytes()).hexdigest() != digest:
        sys.exit("pip's wheel from PIP_INDEX_URL does not have the checksum that the index states")
    return wheel


def newest_wheel(page: str) -> str:
    """The link to the newest release on a simple index's page for pip. Ends the program if it lists none."""
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', page)]
    releases = {}
    for link in links:
        match = re.search(r"/?pip-([0-9.]+)-py3-none-any\.whl(#|$)", link)
        if match:
            releases[tuple(int(part) for part in match.group(1).split("."))] = link
    if not releases:
        sys.exit("PIP_INDEX_URL: the index lists no wheel of pip")
    return releases[max(releases)]


def wheel_from_debian(scratch: Path) -> "Path | None":
    """Pip's wheel out of the Debian package that python3-venv uses; needs no root and installs nothing."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    if subprocess.run(["apt-get", "download", "-qq", "python3-pip-whl"], cwd=scratch, check=False).returncode:
        return None
    for package in scratch.glob("*.deb"):
        run("dpkg-deb", "-x", str(package), str(scratch))
    return next(scratch.glob("usr/share/python-wheels/pip-*.whl"), None)


if __name__ == "__main__":
    main(sys.argv[1])
