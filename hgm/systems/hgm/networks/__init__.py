"""The networks of HGM, their weights, and the published weights that they can start from."""
