"""Reference posteriors of stamps that hold several sources, fitted with one: mocks and posteriors without pgm_mock.

Usage::

    python tests/reference/modes.py --n 300 --out modes.npz           # goes on where it was interrupted
    python tests/reference/modes.py --check IMAGE EXPOSURE            # against a1835_posteriors.json beside this file

The model
    The counts of the pixels with a positive exposure t_k are independent Poisson variables of mean
    mu_k = t_k (F P_k + b), where P_k is the integral over pixel k of a circular Gaussian with mean (x0, y0) and
    standard deviation sigma. x0 and y0 are normal about the stamp's centre, ln F, ln b and ln sigma are normal;
    `Prior` has the numbers. The stamps hold something else: several sources, a blob, hot pixels. The posterior of one
    source then has several modes, near and far, and none of them may be missed.

The method
    No search: the whole space of positions and widths is paved with cells, from beyond the edges of the stamp and from
    8 prior standard deviations below the typical width to as many above it. At the centre of each cell the integral
    over (ln F, ln b) is taken by Laplace's method. A cell is dropped where even the largest rise that the Fisher
    information allows within it leaves it without mass, and split where the density may change much within it.
    What remains is a proposal: a cell by its mass, a point uniform in it, and (ln F, ln b) from a t distribution. To
    these draws some from the prior, with ln b as without any source, are added. Each draw is weighted with the exact
    density over the exact density of the whole proposal; more are drawn until their effective number is 3,000.

The modes
    A map of the weighted positions is smoothed, and each of its pixels goes to the summit to which it climbs; summits
    with no saddle between them that is lower than half of the lower one are one. A posterior from elsewhere is compared
    region by region: whatever the regions are, its shares must be the same.

Why it is independent
    The script imports numpy and scipy only, and the mocks are drawn by numpy.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.special import gammaln, logsumexp, ndtr
from scipy.stats import poisson

NAMES = ("x", "y", "ln_flux", "ln_background", "ln_width")
SIZE = 41
KINDS = ("pair", "ring", "anywhere", "faint_beside_bright", "hot_pixels", "faint", "blob", "close_pair")
SEED = 4111

MARGIN = 4  # pixels beyond the stamp's edges that are paved
WIDTH_REACH = 8.0  # standard deviations of the prior of ln sigma that are paved
FINE, COARSE = 1.0, 2.0  # cells' first sides in x and y, for widths below and above WIDE [pixels]
WIDE = 2.0
LAYER = 0.25  # cells' first side in ln sigma
LOG_GAP = 16.0  # cells with less than exp(-LOG_GAP) of the whole mass are dropped
CHANGE = 0.12  # of the log-density, from a cell's centre to its face, beyond which it is split
LEVELS = 9
FIRST_STEPS = 24  # of the inner fits; fewer leave out something wide that holds most of the photons
T_DOF = 5.0
INFLATION = 1.15  # of the t distributions' scale
PRIOR_SHARE = 0.15
N_DRAWS = 20_000
MOST_DRAWS = 320_000
LEAST_ESS = 3_000.0
CHUNK = 4_000  # cells or draws at once
BIN = 0.5  # pixels of the map of positions


class Prior(NamedTuple):
    """Means and standard deviations of (x, y, ln F, ln b, ln sigma), all normal and independent."""

    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def default(cls, exposure, x, y):
        """Positions within 2 pixels, 30 counts, 0.1 count a pixel, 1.5 pixels, for the median positive exposure."""
        typical = np.median(exposure[exposure > 0])
        mean = np.array([x, y, np.log(30 / typical), np.log(0.1 / typical), np.log(1.5)])
        return cls(mean, np.array([2.0, 2.0, 2.0, 1.5, 0.5]))

    def log_density(self, theta, which=slice(None)):
        """Log-density of some columns of theta, shape (n, 5)."""
        sd = self.sd[which]
        z = (theta[:, which] - self.mean[which]) / sd
        return np.sum(-0.5 * z**2 - np.log(sd) - 0.5 * np.log(2 * np.pi), axis=1)


class Cells(NamedTuple):
    """Boxes in (x, y, ln sigma): centres and half sides, with the inner fit at their centres, all of shape (n,)."""

    x: np.ndarray
    y: np.ndarray
    s: np.ndarray
    half: np.ndarray  # half of the side in x and in y
    half_s: np.ndarray
    flux: np.ndarray  # ln F and ln b at the inner maximum
    background: np.ndarray
    height: np.ndarray  # log of the integral over (ln F, ln b), priors included
    counts: np.ndarray  # expected counts of the source
    curvature: np.ndarray  # of the inner log-density at the maximum, (n, 3): FF, Fb, bb

    def take(self, chosen):
        """Return some of the cells."""
        return Cells(*(each[chosen] for each in self))

    def log_mass(self):
        """Logarithm of the posterior mass in each cell, as if the density were that of its centre."""
        return self.height + np.log(8 * self.half**2 * self.half_s)


def pixel_shares(pixels, mean, sigma):
    """Integrals of normal distributions over unit pixels: shapes (p,), (n, 1), (n, 1) give (n, p)."""
    z = (np.append(pixels - 0.5, pixels[-1] + 0.5) - mean) / sigma
    tail, upper = ndtr(-np.abs(z)), z > 0
    across = upper[:, 1:] != upper[:, :-1]
    return np.where(across, 1 - tail[:, 1:] - tail[:, :-1], np.abs(np.diff(tail, axis=1)))


class Stamp:
    """Counts and exposure, both of shape (ny, nx), the centre of whose first pixel is at (first_x, first_y)."""

    def __init__(self, counts, exposure, prior, first_x=1, first_y=1):
        self.prior = prior
        self.columns = first_x + np.arange(counts.shape[1])
        self.rows = first_y + np.arange(counts.shape[0])
        self.exposure = np.where(exposure > 0, exposure, 0.0)
        self.hit_row, self.hit_column = np.nonzero((exposure > 0) & (counts > 0))
        self.hits = counts[self.hit_row, self.hit_column].astype(float)
        self.total = self.exposure.sum()
        self.constant = np.sum(
            self.hits * np.log(self.exposure[self.hit_row, self.hit_column]) - gammaln(self.hits + 1)
        )

    def shares(self, x, y, s):
        """Share of the light on each pixel with counts, shape (n, hits), and the exposure behind the light, (n,)."""
        sigma = np.exp(s)[:, None]
        in_x = pixel_shares(self.columns, x[:, None], sigma)
        in_y = pixel_shares(self.rows, y[:, None], sigma)
        seen = np.sum((in_y @ self.exposure) * in_x, axis=1)
        return in_x[:, self.hit_column] * in_y[:, self.hit_row], seen

    def log_likelihood(self, theta):
        """Poisson log-likelihood, including -ln N!, of each row of theta."""
        result = np.empty(len(theta))
        for start in range(0, len(theta), CHUNK):
            part = slice(start, start + CHUNK)
            x, y, log_flux, log_background, s = theta[part].T
            share, seen = self.shares(x, y, s)
            flux, background = np.exp(log_flux), np.exp(log_background)
            share *= flux[:, None]
            share += background[:, None]
            result[part] = np.log(share) @ self.hits + self.constant - flux * seen - background * self.total
        return result

    def inner_fits(self, cells, steps):
        """Maximise over (ln F, ln b) at the centre of each cell, and integrate by Laplace's method.

        A step of Newton's is taken where the curvature is that of a maximum, else that of the complete data, whose
        source and background photons are told apart, and which is always one.
        """
        parts = []
        for start in range(0, len(cells.x), CHUNK):
            parts.append(self._inner_fits(cells.take(slice(start, start + CHUNK)), steps))
        return Cells(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def _inner_fits(self, cells, steps):
        (_, _, mean_f, mean_b, _), (_, _, sd_f, sd_b, _) = self.prior
        share, seen = self.shares(cells.x, cells.y, cells.s)
        f, b = cells.flux, cells.background
        for step in range(steps + 1):
            source = np.exp(f)[:, None] * share
            source /= source + np.exp(b)[:, None]
            of_source = source @ self.hits
            source *= 1 - source
            mixed = source @ self.hits
            expected, behind = np.exp(f) * seen, np.exp(b) * self.total
            slope_f = of_source - expected - (f - mean_f) / sd_f**2
            slope_b = self.hits.sum() - of_source - behind - (b - mean_b) / sd_b**2
            full_f, full_b = expected + 1 / sd_f**2, behind + 1 / sd_b**2
            ff, bb = full_f - mixed, full_b - mixed
            sound = (ff > 0.1 * full_f) & (ff * bb - mixed**2 > 0.05 * full_f * full_b)
            ff, bb, fb = np.where(sound, ff, full_f), np.where(sound, bb, full_b), np.where(sound, mixed, 0.0)
            determinant = ff * bb - fb**2
            if step < steps:
                f = f + np.clip((bb * slope_f - fb * slope_b) / determinant, -1.5, 1.5)
                b = b + np.clip((ff * slope_b - fb * slope_f) / determinant, -1.5, 1.5)
        theta = np.stack([cells.x, cells.y, f, b, cells.s], axis=1)
        rate = np.exp(f)[:, None] * share + np.exp(b)[:, None]
        height = np.log(rate) @ self.hits + self.constant - expected - behind + self.prior.log_density(theta)
        height += np.log(2 * np.pi) - 0.5 * np.log(determinant)
        curvature = np.stack([ff, fb, bb], axis=1)
        return cells._replace(
            flux=f, background=b, height=height, counts=np.maximum(expected, of_source), curvature=curvature
        )


def information(cells, prior):
    """Fisher information of a position and of ln sigma, at most, without background; with the priors'."""
    position = cells.counts / (np.exp(2 * cells.s) + 1 / 12) + prior.sd[0] ** -2
    return position, 4 * cells.counts + prior.sd[4] ** -2


def pave(stamp):
    """First cells: the whole of the stamp with a margin, all widths."""
    prior = stamp.prior
    reach = WIDTH_REACH * prior.sd[4]
    layers = np.arange(prior.mean[4] - reach + LAYER / 2, prior.mean[4] + reach, LAYER)
    parts = []
    for s in layers:
        side = FINE if np.exp(s) < WIDE else COARSE
        x = np.arange(stamp.columns[0] - MARGIN, stamp.columns[-1] + MARGIN + 1, side)
        y = np.arange(stamp.rows[0] - MARGIN, stamp.rows[-1] + MARGIN + 1, side)
        x, y = (each.ravel() for each in np.meshgrid(x, y))
        if side > 1:
            x, y = x + (side - 1) / 2, y + (side - 1) / 2
        parts.append([x, y, np.full(x.shape, s), np.full(x.shape, side / 2), np.full(x.shape, LAYER / 2)])
    x, y, s, half, half_s = (np.concatenate(each) for each in zip(*parts, strict=True))
    near = np.log(10 / stamp.total * stamp.exposure.size)
    level = np.log(max(stamp.hits.sum(), 1) / stamp.total)
    blank = np.zeros(len(x))
    cells = Cells(x, y, s, half, half_s, blank + near, blank + level, blank, blank, np.zeros((len(x), 3)))
    return stamp.inner_fits(cells, FIRST_STEPS)


def split(cells, by_position, by_width):
    """Halve cells in x and y, or in ln sigma, or in both."""
    parts = []
    for in_position in (False, True):
        for in_width in (False, True):
            some = cells.take((by_position == in_position) & (by_width == in_width))
            steps = (-0.5, 0.5) if in_position else (0.0,)
            layers = (-0.5, 0.5) if in_width else (0.0,)
            for dx in steps:
                for dy in steps:
                    for ds in layers:
                        child = some._replace(
                            x=some.x + dx * some.half, y=some.y + dy * some.half, s=some.s + ds * some.half_s
                        )
                        if in_position:
                            child = child._replace(half=some.half / 2)
                        if in_width:
                            child = child._replace(half_s=some.half_s / 2)
                        parts.append(child)
    return Cells(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def refine(stamp, change=CHANGE):
    """Drop and split cells until those that remain follow the posterior."""
    active, leaves = pave(stamp), []
    for _ in range(LEVELS):
        position, width = information(active, stamp.prior)
        rise = active.half**2 * position + 0.5 * active.half_s**2 * width
        whole = logsumexp(np.concatenate([active.log_mass()] + [leaf.log_mass() for leaf in leaves]))
        kept = active.log_mass() + 2 * rise > whole - LOG_GAP
        active, position, width = active.take(kept), position[kept], width[kept]
        by_position = 0.5 * active.half**2 * position > change
        by_width = 0.5 * active.half_s**2 * width > change
        done = ~(by_position | by_width)
        leaves.append(active.take(done))
        if done.all():
            break
        active = stamp.inner_fits(split(active.take(~done), by_position[~done], by_width[~done]), 4)
    else:
        leaves.append(active)
    cells = Cells(*(np.concatenate(each) for each in zip(*leaves, strict=True)))
    return cells.take(cells.log_mass() > logsumexp(cells.log_mass()) - LOG_GAP)


class Proposal:
    """The mixture of the cells and of the prior."""

    def __init__(self, stamp, cells):
        self.stamp, self.cells = stamp, cells
        log_mass = cells.log_mass()
        log_mass = np.logaddexp(log_mass, logsumexp(log_mass) - np.log(len(log_mass)) - 4)  # none without a chance
        self.log_share = log_mass - logsumexp(log_mass)
        ff, fb, bb = cells.curvature.T
        determinant = ff * bb - fb**2  # Cholesky factor of the inverse of the curvature, inflated
        self.l11 = INFLATION * np.sqrt(bb / determinant)
        self.l21 = -INFLATION * fb / np.sqrt(bb * determinant)
        self.l22 = INFLATION * np.sqrt(1 / bb)
        mean, sd = stamp.prior.mean[3], stamp.prior.sd[3]
        b = np.log(max(stamp.hits.sum(), 0.5) / stamp.total)
        for _ in range(50):  # ln b without a source
            curve = np.exp(b) * stamp.total + sd**-2
            b += np.clip((stamp.hits.sum() - np.exp(b) * stamp.total - (b - mean) / sd**2) / curve, -1, 1)
        self.alone, self.alone_sd = b, INFLATION / np.sqrt(curve)

    def draw(self, number, rng):
        """Draws of theta, shape (number, 5), and of the cells that they lie in (-1 for none)."""
        from_prior = rng.binomial(number, PRIOR_SHARE)
        prior = self.stamp.prior
        theta = prior.mean + prior.sd * rng.standard_normal((from_prior, 5))
        theta[:, 3] = self.alone + self.alone_sd * rng.standard_t(T_DOF, from_prior)
        chosen = rng.choice(len(self.log_share), number - from_prior, p=np.exp(self.log_share))
        cells = self.cells.take(chosen)
        u = rng.uniform(-1, 1, (3, len(chosen)))
        root = np.sqrt(T_DOF / rng.chisquare(T_DOF, len(chosen)))
        z = rng.standard_normal((2, len(chosen))) * root
        f = cells.flux + self.l11[chosen] * z[0]
        b = cells.background + self.l21[chosen] * z[0] + self.l22[chosen] * z[1]
        x, y = cells.x + cells.half * u[0], cells.y + cells.half * u[1]
        others = np.stack([x, y, f, b, cells.s + cells.half_s * u[2]], axis=1)
        return np.concatenate([theta, others]), np.concatenate([self.find(theta), chosen])

    def find(self, theta):
        """Which cell each row of theta lies in, -1 where none."""
        found = np.full(len(theta), -1)
        cells = self.cells
        order = np.argsort(theta[:, 0])
        ordered = theta[order]
        first = np.searchsorted(ordered[:, 0], cells.x - cells.half)
        last = np.searchsorted(ordered[:, 0], cells.x + cells.half)
        for number in range(len(cells.x)):
            part = ordered[first[number] : last[number]]
            inside = np.abs(part[:, 1] - cells.y[number]) <= cells.half[number]
            inside &= np.abs(part[:, 4] - cells.s[number]) <= cells.half_s[number]
            found[order[first[number] : last[number]][inside]] = number
        return found

    def log_density(self, theta, cell):
        """Log-density of the whole mixture at draws that lie in the cells given."""
        prior = self.stamp.prior
        z = (theta[:, 3] - self.alone) / self.alone_sd
        one = gammaln((T_DOF + 1) / 2) - gammaln(T_DOF / 2) - 0.5 * np.log(T_DOF * np.pi) - np.log(self.alone_sd)
        of_prior = prior.log_density(theta, [0, 1, 2, 4]) + one - (T_DOF + 1) / 2 * np.log1p(z**2 / T_DOF)
        cells = self.cells.take(cell)
        z0 = (theta[:, 2] - cells.flux) / self.l11[cell]
        z1 = (theta[:, 3] - cells.background - self.l21[cell] * z0) / self.l22[cell]
        two = -np.log(2 * np.pi) - np.log(self.l11[cell] * self.l22[cell])
        two -= (T_DOF + 2) / 2 * np.log1p((z0**2 + z1**2) / T_DOF)
        of_cell = self.log_share[cell] - np.log(8 * cells.half**2 * cells.half_s) + two
        of_cell = np.where(cell >= 0, of_cell, -np.inf)
        return np.logaddexp(np.log(PRIOR_SHARE) + of_prior, np.log1p(-PRIOR_SHARE) + of_cell)


def weighted_quantiles(values, weights, probabilities):
    """Quantiles of weighted draws."""
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    return values[order][np.searchsorted(cumulated, np.asarray(probabilities) * cumulated[-1])]


def regions_of(x, y, weights, edges_x, edges_y):
    """Label each pixel of a map of positions with the summit to which it climbs, and give each summit's share.

    Returns
    -------
    labels : int array, shape (bins_y, bins_x)
    summits : array, shape (m, 3)
        x, y and share, the largest first; label 0 is the first.
    """
    mass = np.histogram2d(y, x, (edges_y, edges_x), weights=weights)[0]
    smooth = ndimage.gaussian_filter(mass, 1.0, mode="constant") + 1e-12
    ny, nx = smooth.shape
    padded = np.pad(smooth, 1)
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    around = np.stack([padded[1 + i : 1 + i + ny, 1 + j : 1 + j + nx] for i, j in shifts])
    best = np.argmax(around, axis=0)
    rows, columns = np.indices(smooth.shape)
    step = np.array(shifts)
    target = (rows + step[best, 0]) * nx + columns + step[best, 1]
    target = target.ravel()
    for _ in range(8):
        target = target[target]
    tops = target.reshape(smooth.shape)
    while True:  # join neighbours whose saddle is high
        height = {top: smooth.ravel()[top] for top in np.unique(tops)}
        joined = False
        for one, other in (
            ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
            ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ):
            border = tops[one] != tops[other]
            saddle = np.minimum(smooth[one], smooth[other])[border]
            for a, b, s in zip(tops[one][border], tops[other][border], saddle, strict=True):
                low, high = sorted((a, b), key=height.__getitem__)
                if s > 0.5 * height[low] or height[low] < 1e-5:
                    tops[tops == low] = high
                    joined = True
                    break
            if joined:
                break
        if not joined:
            break
    found = np.unique(tops)
    share = np.array([mass[tops == top].sum() for top in found]) / weights.sum()
    order = np.argsort(-share)
    labels = np.empty(tops.shape, np.int16)
    for number, place in enumerate(order):
        labels[tops == found[place]] = number
    at = found[order]
    middle_x, middle_y = 0.5 * (edges_x[1:] + edges_x[:-1]), 0.5 * (edges_y[1:] + edges_y[:-1])
    return labels, np.stack([middle_x[at % nx], middle_y[at // nx], share[order]], axis=1)


def bins(pixels):
    """Edges of the bins of the map of positions along one axis."""
    return np.arange(pixels[0] - MARGIN - 0.5, pixels[-1] + MARGIN + 0.5 + BIN / 2, BIN)


def posterior(stamp, seed):
    """Compute the exact posterior of one source in a stamp.

    Returns
    -------
    dict
        ln_evidence and ln_evidence_se; mean, sd (5,), quantiles (5, 3) at 0.16, 0.5, 0.84 in the order of NAMES;
        summits (m, 3) with labels; ess, largest (weight), draws and cells (their numbers).
    """
    rng = np.random.default_rng(seed)
    for change in (CHANGE, CHANGE / 2.5):
        proposal = Proposal(stamp, refine(stamp, change))
        parts, total, number = [], 0, N_DRAWS
        while total < MOST_DRAWS:
            theta, cell = proposal.draw(number, rng)
            log_weight = stamp.log_likelihood(theta) + stamp.prior.log_density(theta)
            parts.append((theta, log_weight - proposal.log_density(theta, cell)))
            total += number
            number = total
            theta, log_weight = (np.concatenate(each) for each in zip(*parts, strict=True))
            weight = np.exp(log_weight - logsumexp(log_weight))
            ess = 1 / np.sum(weight**2)
            if ess > LEAST_ESS and weight.max() < 0.01:
                break
        if ess > LEAST_ESS:
            break
    mean = weight @ theta
    sd = np.sqrt(weight @ (theta - mean) ** 2)
    labels, summits = regions_of(theta[:, 0], theta[:, 1], weight, bins(stamp.columns), bins(stamp.rows))
    return {
        "ln_evidence": logsumexp(log_weight) - np.log(total),
        "ln_evidence_se": np.sqrt(max(1 / ess - 1 / total, 0.0)),
        "mean": mean,
        "sd": sd,
        "quantiles": np.array([weighted_quantiles(each, weight, (0.16, 0.5, 0.84)) for each in theta.T]),
        "summits": summits[summits[:, 2] > 0.005],
        "labels": labels,
        "ess": ess,
        "largest": weight.max(),
        "draws": total,
        "cells": len(proposal.cells.x),
    }


# --- mocks ---------------------------------------------------------------------------------------------------------


def add_gaussian(image, x, y, counts, sigma):
    """Add so many expected counts, in pixels of an even exposure, to an image whose first pixel is (1, 1)."""
    pixels = np.arange(1, SIZE + 1)
    one = pixel_shares(pixels, np.array([[x]]), np.array([[sigma]]))[0]
    image += counts * np.outer(pixel_shares(pixels, np.array([[y]]), np.array([[sigma]]))[0], one)


def like(rng, low=8.0, high=200.0):
    """Draw a number of counts, even in its logarithm."""
    return np.exp(rng.uniform(np.log(low), np.log(high)))


def sources_of(kind, rng):
    """Sources of a mock: a list of (dx, dy from the centre, counts)."""
    angle = rng.uniform(0, 2 * np.pi)
    if kind in ("pair", "close_pair"):
        apart = rng.uniform(3, 16) if kind == "pair" else rng.uniform(2, 4)
        counts, middle = like(rng), rng.normal(0, 1, 2)
        if kind == "pair":  # either source, or the middle, is what is asked for
            middle += rng.choice([-0.5, 0.0, 0.5]) * apart * np.array([np.cos(angle), np.sin(angle)])
        sides = [(sign * 0.5 * apart, counts * rng.uniform(0.8, 1.25)) for sign in (-1, 1)]
        return [(middle[0] + r * np.cos(angle), middle[1] + r * np.sin(angle), n) for r, n in sides]
    if kind == "ring":
        number, radius, counts = rng.integers(3, 7), rng.uniform(4, 14), like(rng)
        angles = angle + 2 * np.pi * (np.arange(number) + rng.uniform(-0.1, 0.1, number)) / number
        return [(radius * np.cos(a), radius * np.sin(a), counts * rng.uniform(0.8, 1.25)) for a in angles]
    if kind == "anywhere":
        return [(*rng.uniform(-18, 18, 2), like(rng)) for _ in range(rng.integers(2, 8))]
    centre = (*rng.normal(0, 1, 2),)
    if kind == "faint_beside_bright":
        away = rng.uniform(5, 16)
        return [(*centre, like(rng, 8, 20)), (away * np.cos(angle), away * np.sin(angle), like(rng, 80, 200))]
    return [(*centre, like(rng, 2, 10) if kind == "faint" else like(rng))]


def make_mock(kind, seed):
    """Draw a mock: counts and exposure, shape (41, 41), with what it holds as text."""
    rng = np.random.default_rng(seed)
    middle = (SIZE + 1) / 2
    dy, dx = np.mgrid[1 : SIZE + 1, 1 : SIZE + 1] - middle
    slope = rng.uniform(0, 0.004)
    direction = rng.uniform(0, 2 * np.pi)
    relative = 1 - slope * (dx * np.cos(direction) + dy * np.sin(direction) + 30)
    gap, gap_width = rng.integers(0, SIZE), rng.integers(2, 5)
    if rng.uniform() < 0.6:
        gap = slice(gap, gap + gap_width)
        relative[(gap, slice(None)) if rng.uniform() < 0.5 else (slice(None), gap)] = 0.0
    exposure = 1e4 * relative
    sigma, background = rng.uniform(1, 2), np.exp(rng.uniform(np.log(0.02), np.log(0.2)))
    image = np.full((SIZE, SIZE), background)
    sources = sources_of(kind, rng)
    for x, y, number in sources:
        add_gaussian(image, middle + x, middle + y, number, sigma)
    said = f"background {background:.3f}, sigma {sigma:.2f}; " + ", ".join(
        f"{n:.0f} at ({x:+.1f}, {y:+.1f})" for x, y, n in sources
    )
    if kind == "blob":
        size, number = rng.uniform(4, 8), like(rng, 50, 500)
        x, y = rng.normal(0, 2, 2)
        add_gaussian(image, middle + x, middle + y, number, size)
        said += f"; blob of {size:.1f} pixels: {number:.0f} at ({x:+.1f}, {y:+.1f})"
    counts = rng.poisson(image * relative)
    if kind == "hot_pixels":
        for _ in range(rng.integers(1, 4)):
            row, column = rng.integers(0, SIZE, 2)
            number = int(like(rng, 8, 60))
            counts[row, column] += number * (exposure[row, column] > 0)
            said += f"; hot pixel of {number} at ({column + 1 - middle:+.0f}, {row + 1 - middle:+.0f})"
    return counts, exposure, said


# --- drivers -------------------------------------------------------------------------------------------------------


def run(number, out, seed):
    """Make mocks of all kinds in turn with their posteriors, and store them as they come."""
    path = Path(out)
    rows = []
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["seed"]) != seed:
                sys.exit(f"{out}: made with the seed {stored['seed']}, expected {seed}")
            rows = json.loads(str(stored["rows"]))
    for index in range(len(rows), number):
        kind = KINDS[index % len(KINDS)]
        counts, exposure, said = make_mock(kind, [seed, index])
        middle = (SIZE + 1) / 2
        start = time.process_time()
        found = posterior(Stamp(counts, exposure, Prior.default(exposure, middle, middle)), [seed, index, 1])
        found |= {"kind": kind, "said": said, "counts": counts, "exposure": exposure}
        found["seconds"] = time.process_time() - start
        rows.append({name: each.tolist() if isinstance(each, np.ndarray) else each for name, each in found.items()})
        shares = ", ".join(f"{share:.2f} at ({x:.1f}, {y:.1f})" for x, y, share in found["summits"] if share > 0.02)
        print(
            f"{index} {kind}: ln Z {found['ln_evidence']:.3f}, ESS {found['ess']:.0f} of {found['draws']}, "
            f"{found['cells']} cells, {found['seconds']:.1f} s; {shares}; {said}",
            flush=True,
        )
        if index % 10 == 9 or index == number - 1:
            temporary = path.with_name(path.name + ".part.npz")
            np.savez_compressed(temporary, rows=json.dumps(rows), seed=seed)
            os.replace(temporary, path)


def check(image_path, exposure_path, most=6):
    """Compare with the stored posteriors of real sources, which have other priors."""
    from astropy.io import fits

    image, exposure = (np.asarray(fits.getdata(path), float) for path in (image_path, exposure_path))
    stored = json.loads((Path(__file__).parent / "a1835_posteriors.json").read_text(encoding="utf-8"))
    for one in stored[:most]:
        x, y = int(np.floor(one["x"] + 0.5)), int(np.floor(one["y"] + 0.5))
        cut = slice(y - 21, y + 20), slice(x - 21, x + 20)
        prior = Prior(np.array([one["x"], one["y"], -6.2146, -12.0, 0.405]), np.array([2.0, 2.0, 2.0, 2.0, 0.5]))
        start = time.process_time()
        found = posterior(Stamp(image[cut], exposure[cut], prior, x - 20, y - 20), 1)
        seconds = time.process_time() - start
        off = [
            (found["mean"][n] - one["parameters"][name]["mean"]) / one["parameters"][name]["sd"]
            for n, name in ((0, "x_pos"), (1, "y_pos"))
        ]
        widths = [found["sd"][n] / one["parameters"][name]["sd"] - 1 for n, name in ((0, "x_pos"), (1, "y_pos"))]
        middles = [
            (np.exp(found["quantiles"][n, 1]) - one["parameters"][name]["q50"]) / one["parameters"][name]["sd"]
            for n, name in ((2, "flux"), (3, "background"), (4, "psf_width"))
        ]
        print(
            f"({one['x']:g}, {one['y']:g}): ln Z {found['ln_evidence']:.4f}, off by "
            f"{found['ln_evidence'] - one['ln_evidence']:+.4f} (standard error {found['ln_evidence_se']:.4f}); "
            f"means off by {off[0]:+.3f} {off[1]:+.3f} sd, medians by "
            f"{' '.join(f'{m:+.3f}' for m in middles)} sd, sds by {widths[0]:+.1%} {widths[1]:+.1%}; "
            f"ESS {found['ess']:.0f} of {found['draws']}, {found['cells']} cells, {seconds:.1f} s",
            flush=True,
        )


def likelihood_check():
    """Compare the fast log-likelihood with scipy's Poisson law at draws from the prior."""
    counts, exposure, _ = make_mock("pair", 0)
    stamp = Stamp(counts, exposure, Prior.default(exposure, 21.0, 21.0))
    rng = np.random.default_rng(0)
    for theta in stamp.prior.mean + stamp.prior.sd * rng.standard_normal((20, 5)):
        x, y, f, b, s = theta
        shape = np.zeros((SIZE, SIZE))
        add_gaussian(shape, x, y, 1.0, np.exp(s))
        mean = exposure * (np.exp(f) * shape + np.exp(b))
        slow = poisson.logpmf(counts[exposure > 0], mean[exposure > 0]).sum()
        np.testing.assert_allclose(stamp.log_likelihood(theta[None])[0], slow, rtol=1e-9)


def main():
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--out", default="modes.npz")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--check", nargs=2, metavar=("IMAGE", "EXPOSURE"))
    options = parser.parse_args()
    likelihood_check()
    if options.check:
        check(*options.check)
    else:
        run(options.n, options.out, options.seed)


if __name__ == "__main__":
    main()
