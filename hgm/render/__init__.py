"""Scans, or the views that a data set brings, become view folders."""
