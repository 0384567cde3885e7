"""HGM's page: tables, comparisons, people and what was done, from the files of one run."""
