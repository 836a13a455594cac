"""What is wrong between entries that are right in themselves."""
