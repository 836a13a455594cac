"""Values → text in pieces, a module a form; no I/O."""
