"""Replicated state machines: pure, so that every copy that applies the same commands is the same.

base   what a log applies its commands to
kv     a small key-value machine with compare-and-set
"""
