"""recae: recommender systems from rating-matrix autoencoders."""

__version__ = "0.1.0"
