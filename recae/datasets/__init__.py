"""Data sets by name: the catalogue, the only downloader, and the reader of each one."""
