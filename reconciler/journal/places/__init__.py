"""Where all of it is kept: a folder, or a bucket with its locks."""
