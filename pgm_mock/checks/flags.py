"""What the bits of FLAG stand for, in every table of sources."""

NO_FIT, MODEL, METHOD, LIGHT, PLACE, SHAPE, DETECTED = 1, 2, 4, 8, 16, 32, 64
"""No fit; the model does not describe the image; posterior, Bayes factor or limit not certified; most light outside;
not where it was asked for, or at two places; not as wide as the PSF; detection likelihood and Bayes factor in
contradiction."""
