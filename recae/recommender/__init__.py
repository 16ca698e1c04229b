"""What a recommender is, and the parts that models have in common: its contract, files, lists, biases, fold-in."""
