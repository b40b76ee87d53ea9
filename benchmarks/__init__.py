"""What the SDK costs and what it withstands, beside what a user would pick instead."""
