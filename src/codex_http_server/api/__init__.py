"""HTTP: parse, call, render. Knows no engine and no database."""
