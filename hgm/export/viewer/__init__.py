"""A result in the browser, turned by hand."""
