"""What an assertion asks of a transcript, each a pure function of it: satisfied, violated and why, or not exercised."""
