"""The roster of defenses, one file each."""
