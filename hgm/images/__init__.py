"""Pictures: view folders, which view is what, films and photos."""
