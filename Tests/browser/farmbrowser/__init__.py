"""What the browser tests are made of."""
