"""Search strategies, one file each: who goes next."""
