"""What leaves the program: stdout, stderr, files, events, progress."""
