"""Seconds and memory: epochs, kernels, closed forms, reading, lists; and one script for a GPU."""
