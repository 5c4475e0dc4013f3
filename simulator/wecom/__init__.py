"""The simulated WeCom (企业微信)."""
