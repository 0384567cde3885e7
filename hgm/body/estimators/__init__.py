"""Programs of others that estimate bodies from pictures: what each needs, how it is called, and
running it."""
