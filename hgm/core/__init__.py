"""What every other room stands on: files, keys, manifests, items, devices, locks, a job."""
