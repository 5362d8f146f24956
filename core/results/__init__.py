"""What the Python API returns: results that print, draw and export themselves."""
