"""What the command line gives, read and checked."""
