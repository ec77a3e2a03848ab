"""Migration: from a file store to a database, with every item compared; and from stages to aliases."""
