"""The sections of HGM's configuration, in one file for each group of stages that uses them. The
code key of a job covers the files of its own sections only, so a change of one stage's settings
reruns no other stage."""
