"""Memory of the process itself while something runs."""

import threading
import time
from pathlib import Path
from types import TracebackType


class Watch:
    """Greatest anonymous memory above that at the beginning, `megabytes`, read every few
    milliseconds, and CPU `seconds` of this process. Mapped files do not count: the system drops
    their pages where it needs the room. Linux.
    """

    megabytes = 0.0
    seconds = 0.0

    def __enter__(self) -> "Watch":
        self._done = threading.Event()
        self._base, self._began = _anonymous(), time.process_time()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.process_time() - self._began
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.005):
            self.megabytes = max(self.megabytes, _anonymous() - self._base)


def _anonymous() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return float(line.split()[1]) / 1024
