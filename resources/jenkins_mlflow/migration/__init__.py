"""From a file store to a database, every item compared; and from stages to aliases."""
