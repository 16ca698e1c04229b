"""Beyond one machine's memory, and several processes."""
