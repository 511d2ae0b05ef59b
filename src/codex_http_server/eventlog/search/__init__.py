"""Full-text search in SQLite: what is indexed, how it is kept up, how it is asked."""
