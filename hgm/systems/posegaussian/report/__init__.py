"""The report of a run of PoseGaussian: its files, tables and sections."""
