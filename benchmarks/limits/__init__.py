"""How near the hot operations come to what the machine can do."""
