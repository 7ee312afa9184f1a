# %% [markdown]
# # 1. What an X-ray image is
#
# An X-ray telescope counts photons one by one. In this part you open such an image and its exposure map, give every
# pixel its coordinates, choose a source, and cut out the small *stamp* about it that all other parts work on.
#
# How the exercises work: replace each line `raise NotImplementedError(...)` by your own code. The cell below it checks
# your answer and says in one line what is wrong with it, or that it is right. Change the answer and run both cells
# again.
#
# Work in a copy of this file, so that a newer version of the course does not touch what you wrote.

# %%
import astropy.io.fits as pyfits
import matplotlib.pyplot as plt
import numpy as np

from pgm_mock import course

plt.rcParams["figure.dpi"] = 70

# None is a simulated field. For the real sky, "a1835": the folder that `pgm-mock fetch --out a1835` made.
DATA = None
files = course.data_files(DATA)
print(files.image.name, files.exposure.name, files.regions.name, sep="\n")

# %% [markdown]
# ## Two files
#
# The camera's CCDs are read out every few seconds. Photons are so rare that in nearly every read-out a pixel has none
# or one: each is recorded on its own, with its time, its energy and its pixel. The *image* holds how many were recorded
# in each pixel in an energy band, during the whole observation. The *exposure map* holds for how many seconds each
# pixel saw the sky. Mirrors lose area off their axis (*vignetting*); the map counts that as time lost, so that a source
# at the rim needs longer for the same counts.
#
# **Exercise 1.1.** Open both files with `pyfits.open`, and see with `.info()` what is in them. A FITS file is a list of
# *header and data units* (HDUs); image and exposure are in the first. Set `im` and `ex` to the two arrays, and print
# their `shape` and `dtype`: why are the counts of another type than the exposure? (`i` is an integer, `f` a
# floating-point number, of 4 or 8 bytes; `>` tells the order of the bytes, and does not matter.)

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 1.1: open files.image and files.exposure, look at .info(), and set im and ex to their data.
image_file, exposure_file = pyfits.open(files.image), pyfits.open(files.exposure)
image_file.info()
exposure_file.info()
im, ex = image_file[0].data, exposure_file[0].data
print(im.shape, im.dtype)
print(ex.shape, ex.dtype)
### END SOLUTION

# %% tags=["check"]
course.check_opened(im, ex, files)

# %% [markdown] tags=["answer"]
# Counts are whole numbers and need no fraction; seconds do.

# %% [markdown]
# How many pixels have no count at all, one, two, ...? (Only those that were exposed; the others cannot have any.)

# %%
numbers, pixels = np.unique(im[ex > 0], return_counts=True)
for number, pixel in zip(numbers[:6], pixels[:6]):
    print(f"{pixel:>8,} pixels with {number} counts")
print(f"the brightest pixel has {im.max()}")

# %% [markdown]
# ## A picture of it
#
# On a linear scale one bright pixel makes all others black. A *logarithmic stretch* maps counts $N$ to
#
# $$s = \frac{\ln(1 + a z)}{\ln(1 + a)}, \qquad z = \frac{N}{\max N}, \qquad a = 1000.$$
#
# **Exercise 1.2.** Compute `stretched` with NumPy. What would a plain `np.log(im)` do to most of the pixels?

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 1.2: set stretched to ln(1 + a z) / ln(1 + a), with z = im / im.max() and a = 1000.
a = 1000
stretched = np.log(1 + a * im / im.max()) / np.log(1 + a)
### END SOLUTION

# %% tags=["check"]
course.check_stretch(stretched, im)

# %%
from astropy.visualization import LogStretch

print("astropy's own stretch agrees:", np.allclose(stretched, LogStretch(1000)(im / im.max())))
figure, axes = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
for ax, image, title in ((axes[0], stretched, "counts, logarithmic stretch"), (axes[1], ex, "exposure [s], linear")):
    shown = ax.imshow(image, origin="lower", cmap="gray")
    figure.colorbar(shown, ax=ax, shrink=0.8)
    ax.set(title=title, xlabel="second index of the array", ylabel="first index of the array")

# %% [markdown]
# In the middle lies a cluster of galaxies, Abell 1835, filled with hot gas; around it are point sources, most of them
# active galactic nuclei (AGN), blurred by the telescope; between them lies a nearly even background of unresolved
# sources, of our own Galaxy's gas, and of charged particles that the camera takes for photons. The dark lines are gaps
# between CCDs: no exposure, so no counts.
#
# ## Where the sources are
#
# A list of circles is given: the x, the y and the radius of each source, **in pixels counted from 1**.
#
# **Exercise 1.3.** Read the text file `files.regions` into an array `regions` with `np.loadtxt`.

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 1.3: set regions to the numbers in the file, one row for each source.
regions = np.loadtxt(files.regions)
### END SOLUTION

# %% tags=["check"]
course.check_regions(regions, files)

# %% [markdown]
# ## Coordinates: two traps
#
# 1. **Arrays count from 0, FITS images from 1.** The centre of the first pixel is at 1.0; the pixel reaches from 0.5 to
#    1.5.
# 2. **An array's first index is the row, which is y.** `im[i, j]` is the pixel at $x = j + 1$, $y = i + 1$.
#
# It helps to have the coordinates as images of their own, *ramps*: one holds the x of every pixel, one the y. Then a
# distance from a source, say, is one line of NumPy.
#
# **Exercise 1.4.** Make the ramps `x` and `y`, of the shape of the image.

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 1.4: set x and y to arrays of the shape of im that hold each pixel's coordinates.
rows, columns = im.shape
x, y = np.meshgrid(np.arange(1.0, columns + 1), np.arange(1.0, rows + 1))
### END SOLUTION

# %% tags=["check"]
course.check_ramps(x, y, im)

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
course.show(x, x, y, ax=axes[0], title="x", label="x [pixel]", cmap="cividis")
course.show(y, x, y, ax=axes[1], title="y", label="y [pixel]", cmap="cividis");

# %%
ax = course.show(stretched, x, y, title="the sources", label="stretched counts", cmap="gray")
ax.figure.set_size_inches(8.5, 7)
for row, (x_pos, y_pos, radius) in enumerate(regions):
    ax.add_patch(plt.Circle((x_pos, y_pos), radius, fill=False, color="C1"))
    ax.annotate(row, (x_pos + radius, y_pos + radius), color="C1", fontsize=8)

# %% [markdown]
# ## Your source
#
# **Exercise 1.5.** Choose a source: set `n` to its row, counted from 0. The model of the next part has *one* source on
# an *even* background: read what the check says about what else is near yours. Stay with the same source in all parts:
# each has a line `n = ...` in its first code cell, to be set to your row.

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 1.5: set n to the row of your source in regions.
n = 12
### END SOLUTION

# %% tags=["check"]
course.describe_source(n, regions, ex)

# %% [markdown]
# **Exercise 1.6.** Cut the 41 × 41 pixels about your source out of the counts, the exposure and both ramps. (Another
# size will do, and the source need not be exactly in the middle; but all four have to show the same pixels.)

# %% tags=["exercise"]
### BEGIN SOLUTION: Exercise 1.6: set small_im, small_ex, small_x and small_y to the same part of im, ex, x and y.
column, row, half = round(regions[n, 0]) - 1, round(regions[n, 1]) - 1, 20
box = slice(row - half, row + half + 1), slice(column - half, column + half + 1)
small_im, small_ex, small_x, small_y = im[box], ex[box], x[box], y[box]
### END SOLUTION

# %% tags=["check"]
course.check_stamps(small_im, small_ex, small_x, small_y, regions[n, :2], im, ex)

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
course.show(small_im, small_x, small_y, ax=axes[0], title="your source", cmap="gray")
course.show(small_ex, small_x, small_y, ax=axes[1], title="its exposure", label="exposure [s]", cmap="gray");

# %% [markdown]
# Do you see a source in the middle? If not, something is wrong.
#
# ## The same in three lines
#
# From here on the package opens and cuts; what it gives is what you made.

# %%
import pgm_mock

field = pgm_mock.Observation.read(files.image, files.exposure)
stamp = field.stamp(x=regions[n, 0], y=regions[n, 1], half_size=20)
if small_im.shape == stamp.shape:
    for mine, its in ((small_im, stamp.counts), (small_ex, stamp.exposure), (small_x, stamp.x), (small_y, stamp.y)):
        print("agrees" if np.array_equal(mine, its) else "differs: another stamp than yours")
print(stamp)
if stamp.wcs is not None:  # the header says where on the sky a pixel lies; astropy counts from 0
    print(field.wcs.pixel_to_world(regions[n, 0] - 1, regions[n, 1] - 1).to_string("hmsdms", precision=1))

# %% [markdown]
# Next: [a model that makes such an image](02_model.ipynb).
