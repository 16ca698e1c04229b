"""What several programs need: paths, records, data that are made up, timing."""
