"""Programs as algebra: laws, the normal form, simplification, and whether two programs are the same map."""
