"""What this machine offers: files, locks, processes, and folders that are the user's own."""
