"""Architecture profiles, one file per architecture."""
