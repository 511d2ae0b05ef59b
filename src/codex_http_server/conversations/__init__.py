"""The middle of the product: conversations, their turns, their readers."""
