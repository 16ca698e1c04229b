"""Several processes that fit one model: who they are, what they say to each other, how they share rows."""
