# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own pictures
#
# `scoregeo morph A B` encodes two pictures, inverts them to a noise level, interpolates by a
# geodesic in latent space and decodes the frames. This tutorial uses the small emoji model that the
# repository ships (`score=emoji_sd`), so that it runs in seconds and without network; leave `score`
# out to use Stable Diffusion.
#
# ## Two pictures

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import PIL.Image
from IPython.display import Image, display

from scoregeo.dataset import Emoji

folder = Path(tempfile.mkdtemp())
pairs = Emoji(pairs=2).pairs(seed=0)
cat, dog = folder / "cat.png", folder / "dog.png"
for file, point in ((cat, pairs.first[1]), (dog, pairs.second[1])):
    pixels = ((point.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
    PIL.Image.fromarray(pixels).save(file)
print(pairs.names[1], pairs.prompts[1])

# %% [markdown]
# ## The command
#
# ```bash
# scoregeo morph cat.png dog.png score=emoji_sd dataset.size=64 \
#     dataset.first_prompt="cat face" dataset.second_prompt="dog face"
# ```
#
# Here with fewer frames, shorter inversions and fewer measures than the defaults, to be quick.

# %%
command = [sys.executable, "-m", "scoregeo.run.cli", "morph", str(cat), str(dog)]
settings = [
    "score=emoji_sd",
    "dataset.size=64",
    "dataset.first_prompt=cat face",
    "dataset.second_prompt=dog face",
    "solver.num_points=7",
    "inversion.decode_steps=5",
    "inversion.rounds=1",
    "evaluation.lpips=null",
    "evaluation.feature_distance=false",
    "evaluation.even_frames=false",
    f"output={folder / 'outputs'}",
]
done = subprocess.run([*command, *settings], capture_output=True, text=True)
assert done.returncode == 0, done.stderr
run = next((folder / "outputs" / "morph").glob("*/summary.json")).parent
print(*sorted(path.name for path in run.iterdir()), sep="\n")

# %% [markdown]
# ## What comes out
#
# A strip with a row for each method: LERP and SLERP at the noise level, the solver's start, the
# geodesic.

# %%
display(Image(next(run.rglob("strip.png")).read_bytes()))

# %% [markdown]
# `frames/METHOD/PAIR/` has the frames at constant perceptual speed, a GIF and an MP4.

# %%
animation = next(run.rglob("stein_gauss_newton/**/*.gif"))
display(Image(animation.read_bytes(), format="gif", width=192))
