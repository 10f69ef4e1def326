"""Who is alive? Failure detectors as pure cores; what they find reaches electors as Suspected and Trusted."""
