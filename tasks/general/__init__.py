"""The general reasoning set: free-form answers, scored strictly and as upstream does."""
