"""recae beside other packages."""
