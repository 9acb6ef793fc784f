"""The tables of BENCHMARKS.md: `measuring` runs and prints them, every other module holds some of their sections."""
