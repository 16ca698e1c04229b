"""`RatingMatrix`, the ids of its users and items, and the CSR arrays under it."""

from recae.ratings.matrix import RatingMatrix

__all__ = ["RatingMatrix"]
