"""Changes in the pure modules that no test notices: `make mutants`, `docs/mutants.md`."""
