"""When a learned score can be trusted for geodesics."""
