"""The generated parts of the pages, from the JSON files in results/: `python -m benchmarks.pages [--check]`."""
