"""Photos as people take them: files of any kind, people cut out of them, the largest one framed for
the networks."""
