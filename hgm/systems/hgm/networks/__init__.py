"""The networks of HGM, their weights, and the published weights they can start from."""
