"""The ground that every room stands on: files, keys, manifests, items, devices, locks, a job."""
