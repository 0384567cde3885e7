"""`hgm bench`: every stage timed on this machine beside its floor and beside the plain way of doing
the same work."""
