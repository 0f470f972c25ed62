"""The web client in real browsers, against real chat servers."""
