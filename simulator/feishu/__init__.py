"""A stand-in for Feishu and Lark: open API, events and callbacks, developer console, client."""
