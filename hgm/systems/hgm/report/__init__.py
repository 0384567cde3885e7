"""The content of HGM's report: tables, comparisons, people and methods, from the files of one
run."""
