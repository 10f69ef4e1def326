"""Pictures of what happened, as text."""
