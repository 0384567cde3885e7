"""Programs of others that estimate bodies from pictures: what each needs, its command line, and how
it is run."""
