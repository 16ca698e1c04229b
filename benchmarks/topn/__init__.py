"""Top-N lists: ranking figures beside published ones."""
