"""The sections of HGM's configuration, by the code that works with them: a job's code key holds
the files of its own sections, so that a change of one stage's settings reruns no other stage."""
