"""What a user can ask for, as a library: each verb takes data and returns data; the command line prints it."""
