"""What a person lives through on a whole platform, which ends with the last of these tests."""
