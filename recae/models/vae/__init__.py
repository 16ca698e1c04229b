"""Neural recommenders: networks from a sparse row to logits of all items."""
