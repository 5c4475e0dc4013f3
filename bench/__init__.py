"""What the product costs, measured against yardsticks that run beside it on the same machine."""
