"""What a run would ask, take and tell, before anything is spent."""
