"""One module for each orchestrator that mlspec writes projects for."""
