"""Tests of what is done with policies and records as values."""
