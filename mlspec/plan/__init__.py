"""What a change of a spec does before anything is run: which steps run again, which files change, what becomes riskier."""
