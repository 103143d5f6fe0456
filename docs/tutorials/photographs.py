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
# # From two photographs to a GIF
#
# What a model makes of two photographs, how to see whether it knows such pictures, and the GIF. The
# model here is the small one of emoji that the repository ships, so that everything runs in seconds
# and without network. It does not know photographs, which is the point of the third step: the
# warnings say so before you wait for an hour with a large model.
#
# ## Two photographs
#
# Any file that a camera or a telephone writes does; nothing has to be cut or turned before.

# %%
import tempfile
from pathlib import Path

import PIL.Image
import skimage.data
from IPython.display import Image, display

from scoregeo import GeodesicPipeline

folder = Path(tempfile.mkdtemp())
cat, coffee = folder / "cat.jpg", folder / "coffee.jpg"
for file, photograph in ((cat, skimage.data.chelsea()), (coffee, skimage.data.coffee())):
    PIL.Image.fromarray(photograph).save(file, quality=95)
    print(file.name, "width, height:", PIL.Image.open(file).size)

# %% [markdown]
# ## A model
#
# For photographs take one that was trained on them: a hub id, such as
# `stable-diffusion-v1-5/stable-diffusion-v1-5`, a folder, or one `.safetensors` file (the reference
# lists the families). Only this line changes.

# %%
pipe = GeodesicPipeline.from_pretrained("emoji_sd")

# %% [markdown]
# ## Does the model know them?
#
# Two frames are the ends alone: encoded, inverted to the noise level and decoded. `psnr` says how
# well they come back, in dB; below 20 the frames will not look like the photographs.
# `psnr_codec` is the autoencoder's part, which no setting improves. A noise level that is lower
# (`timestep`) or more steps improve the rest.

# %%
ends = pipe(
    cat,
    coffee,
    prompt_a="a cat",
    prompt_b="a cup of coffee",
    num_frames=2,
    num_inference_steps=4,
)
for name, whole, codec in zip(("cat", "coffee"), ends.psnr, ends.psnr_codec, strict=True):
    print(f"{name}: {whole:.1f} dB, by the autoencoder alone {codec:.1f} dB")
print(*ends.warnings, sep="\n")

# %% [markdown]
# ## The GIF
#
# The frames have the first photograph's shape and as many pixels as the model was trained on;
# `size=(height, width)` sets another. Each part's `status` is `converged`, or says what it is
# instead ("Energy, solver, tunnelling" explains it); more frames take longer and resolve more.

# %%
morph = pipe(
    cat,
    coffee,
    prompt_a="a cat",
    prompt_b="a cup of coffee",
    num_frames=5,
    num_inference_steps=4,
)
print(morph.status, morph.frames[0].size, f"{morph.score_evaluations} score evaluations")
gif = morph.save_gif(folder / "morph.gif", fps=6)
display(Image(gif.read_bytes(), format="gif", width=288))

# %% [markdown]
# `morph.save_mp4` keeps all colours, `morph.save_strip` puts the frames in a row.
#
# ## The same without Python
#
# ```bash
# scoregeo morph cat.jpg coffee.jpg --prompt-a "a cat" --prompt-b "a cup of coffee"
# scoregeo app      # the same in the browser: pip install scoregeo[app]
# ```
