"""How a ledger of ten thousand to a million jobs is carried."""
