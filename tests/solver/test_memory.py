"""Peak memory of a solve under a limit, measured in a process of its own."""

import json
import subprocess
import sys

import pytest

CHILD = r"""
import json, re, sys, torch, scoregeo

def peak():  # of this program alone: ru_maxrss would begin at the size of the one that started it
    return int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) / 2**20

pairs = 60
score = scoregeo.SphereScore(dimension=2, ambient=2048, dtype=torch.float32)
metric = scoregeo.SteinMetric(scoregeo.ScoreField(score, 0.1), lam=10.0)
ends = torch.zeros(pairs, 2, 2048)
ends[:, :, :3] = torch.nn.functional.normalize(
    torch.randn(pairs, 2, 3, generator=torch.Generator().manual_seed(0)), dim=2
)
solver = scoregeo.GaussNewton(num_points=33, subnodes=4, max_iterations=1)
start = scoregeo.linear(ends, 33)
solver.solve(metric, start[:1])  # what is loaded once
before, found = peak(), {}
for limit in (0.15, 8.0):  # the peak only grows: the smaller one first
    with scoregeo.memory_limit(limit):
        energy = solver.solve(metric, start).energy.tolist()
    found[limit] = {"gib": peak() - before, "energy": energy}
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_peak_stays_below_the_limit_whatever_the_number_of_pairs() -> None:
    words = [sys.executable, "-c", CHILD]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    bounded, whole = json.loads(done.stdout).values()
    assert whole["gib"] > 0.25  # all pairs at once
    assert bounded["gib"] < 0.15
    assert bounded["energy"] == pytest.approx(whole["energy"], rel=1e-5)  # float32
