"""Being here, it makes the helpers beside it (``tiny_run``) importable from every test."""
