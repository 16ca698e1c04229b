"""AutoRec and its kin: networks over rows of ratings, with their output heads and side information."""
