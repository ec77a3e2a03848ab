"""The interchangeable ways to promote, a file each."""
