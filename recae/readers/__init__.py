"""Files and frames to columns of users, items, ratings and timestamps."""
