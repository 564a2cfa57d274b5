"""Class tables, and painted label images as training targets."""
