"""Part II: the related works of the talk, one file per chapter."""
