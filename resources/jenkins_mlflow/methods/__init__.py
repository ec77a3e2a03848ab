"""The interchangeable ways to promote, one file each."""
