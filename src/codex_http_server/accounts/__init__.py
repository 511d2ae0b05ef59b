"""Who the core is signed in as, and what is left of its limits."""
