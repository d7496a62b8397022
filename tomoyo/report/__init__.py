"""Showing values to people and programs."""
