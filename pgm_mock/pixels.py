"""The pixels that light falls on: what a scene's expected counts are computed for."""

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import ArrayLike, Num


class Pixels(NamedTuple):
    """The pixels that light falls on; NumPy's or JAX's arrays, a pytree.

    Attributes:
        exposure: exposure map t, shape (ny, nx) [s, or the unit of the map].
        x, y: pixel centres [FITS image pixels: the first pixel is 1]; a row (1, nx) and a column (ny, 1), or full ramps
            of shape (ny, nx).
        background_map: counts that are there whatever the exposure, shape (ny, nx) [count / pixel], or None.
        sides: of the squares that they stand for [pixels], where one stands for a block of them; None where each is
            itself.
        edges: the x of the edges between columns, shape (nx + 1,), and the y of those between rows, shape (ny + 1,),
            where x and y are a row and a column of pixels that follow one another [FITS image pixels]; else None.
    """

    exposure: "Num[ArrayLike, 'ny nx']"
    x: "Num[ArrayLike, '#ny nx']"
    y: "Num[ArrayLike, 'ny #nx']"
    background_map: "Num[ArrayLike, 'ny nx'] | None" = None
    sides: "Num[ArrayLike, '*#pixels'] | None" = None
    edges: "tuple[Num[ArrayLike, ' nx_and_1'], Num[ArrayLike, ' ny_and_1']] | None" = None

    @classmethod
    def in_one_piece(
        cls, exposure: np.ndarray, columns: np.ndarray, rows: np.ndarray, background_map: np.ndarray | None = None
    ) -> Self:
        """Return pixels that follow one another, with the edges between them.

        Args:
            exposure, background_map: shape (ny, nx).
            columns, rows: pixel centres, each one more than the last, shapes (1, nx) and (ny, 1).
        """
        x, y = np.ravel(columns), np.ravel(rows)
        edges = np.append(x - 0.5, x[-1] + 0.5), np.append(y - 0.5, y[-1] + 0.5)
        return cls(exposure, columns, rows, background_map, edges=edges)

    @property
    def side(self) -> "Num[ArrayLike, '*#pixels']":
        """Of the square that each stands for [pixels]; more than 1 where one stands for a block of them."""
        return 1.0 if self.sides is None else self.sides

    @property
    def separable(self) -> bool:
        """Whether x is one row and y one column, so that a product of profiles is an outer one."""
        return np.shape(self.x)[0] == 1 and np.shape(self.y)[1] == 1

    def listed(self, rows: np.ndarray, columns: np.ndarray) -> Self:
        """Return some of the pixels as an image of one row; rows and columns count from 0.

        Args:
            rows, columns: shape (n,).
        """

        def some(image: "ArrayLike") -> np.ndarray:
            return np.broadcast_to(np.asarray(image), np.shape(self.exposure))[rows, columns][None]

        background = None if self.background_map is None else some(self.background_map)
        return type(self)(some(self.exposure), some(self.x), some(self.y), background)

    def longer(self, factor: float) -> Self:
        """Return the same pixels exposed longer by a factor; what is there whatever the exposure grows with it."""
        return self._replace(
            exposure=np.asarray(self.exposure) * factor,
            background_map=None if self.background_map is None else np.asarray(self.background_map) * factor,
        )
