"""What can be done with policies as values: sorting for now."""
