"""The laboratory: the electors that ship, on virtual time, under faults that one seed draws."""
