"""The machines that run bytecode: many programs and replicas in one call."""
