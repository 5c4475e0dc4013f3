"""The simulated DingTalk (钉钉)."""
