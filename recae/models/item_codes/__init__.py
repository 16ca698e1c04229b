"""Item-based models whose prediction is a product of an item's code and a user's output weights."""
