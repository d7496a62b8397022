"""What a kernel would answer: matching, granting, domain transition."""
