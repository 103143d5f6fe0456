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
# repository ships (`--model emoji_sd`), so that it runs in a minute and without network; leave
# `--model` out to use Stable Diffusion.
#
# ## Two pictures

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import PIL.Image
from IPython.display import Image, display

from scoregeo import GeodesicPipeline
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
# scoregeo morph cat.png dog.png --model emoji_sd --prompt-a "cat face" --prompt-b "dog face"
# ```
#
# Here with fewer frames, shorter inversions and fewer measures than the defaults, to be quick.

# %%
command = [sys.executable, "-m", "scoregeo.run.cli", "morph", str(cat), str(dog)]
run = folder / "morph"
options = ["--model", "emoji_sd", "--prompt-a", "cat face", "--prompt-b", "dog face"]
options += ["--frames", "7", "--steps", "4", "--out", str(run)]
settings = [
    "evaluation.lpips=null",
    "evaluation.feature_distance=false",
    "evaluation.even_frames=false",
]
done = subprocess.run([*command, *options, *settings], capture_output=True, text=True)
assert done.returncode == 0, done.stderr
print(*sorted(path.name for path in run.iterdir()), sep="\n")

# %% [markdown]
# ## What comes out
#
# The frames in a row, the animation, and a report that compares them with the solver's start, the
# straight line at the noise level. `frames/METHOD/PAIR/` has the frames one by one.

# %%
display(Image((run / "strip.png").read_bytes()))
display(Image((run / "animation.gif").read_bytes(), format="gif", width=192))

# %% [markdown]
# ## From Python
#
# `scoregeo.GeodesicPipeline` does the same in the manner of a diffusers pipeline. Here a loop
# through three pictures, the last of which the model makes: the dog redrawn as a heart. Printed are
# each part's status (`unresolved` is usual between few frames, see `docs/howto/pictures.md`), how
# well each given picture comes back (PSNR; nan for the one that the model made), and the cost.

# %%
pipe = GeodesicPipeline.from_pretrained("emoji_sd")
loop = pipe(
    str(cat),
    prompt_a="cat face",
    via=[(str(dog), "dog face")],
    prompt_b="red heart",
    closed=True,
    num_frames=4,
    num_inference_steps=4,
    painting_steps=10,
    painting_guidance=3.0,
)
print(loop.status, [round(value, 1) for value in loop.psnr], loop.score_evaluations)
display(Image(loop.save_gif(folder / "loop.gif").read_bytes(), format="gif", width=192))
