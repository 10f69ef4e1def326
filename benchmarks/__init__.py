"""Speed, measured beside peers in the same run. `make bench`, or `python -m benchmarks NAME... --trials N`."""
