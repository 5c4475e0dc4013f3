"""A stand-in for the chat platforms: admin console, IM client and open API in one small Flask app.

It shares no import with the product, so that two implementations of every signature and rule check each other.
"""
