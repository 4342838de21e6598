"""The ten-step pipeline as a person would write it for each orchestrator; `benchmarks.backends` compares ours with it."""
