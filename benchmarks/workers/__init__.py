"""What runs in processes of its own: each measures one contestant once and prints what it found as JSON."""
