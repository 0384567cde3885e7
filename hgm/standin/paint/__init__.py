"""The texture of a stand-in: skin, cloth, patterns, and the atlas they lie in."""
