"""Tables, figures and the page that opens offline, from the files of one run."""
