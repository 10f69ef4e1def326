"""Exactly one of many Python processes leads, knows for how long, and can do no harm when it is stale."""
