"""The server behind `lihil run`: one process, a pool of them, or one that follows the source files."""
