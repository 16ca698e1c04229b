"""AutoRec and its kin: networks over rows of ratings, and their side information."""
