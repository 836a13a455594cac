"""The way from a store to a `LiveStore`: what is asked in which order, and what follows."""
