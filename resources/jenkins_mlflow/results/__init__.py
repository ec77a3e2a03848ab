"""What each command comes to: a frozen value, every field of which is a key of the command's JSON document."""
