"""View folders, rendered from scans or written from the views that a data set brings."""
