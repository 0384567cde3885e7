"""HGM's own stages: what each rule of the workflow does, from the shared parts."""
