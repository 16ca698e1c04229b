"""Matrix factorisation, to compare with."""
