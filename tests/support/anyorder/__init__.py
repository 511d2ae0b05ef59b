"""Conversations that are driven in any order: a stage, what is known of it, and the verdict."""
