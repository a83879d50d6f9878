"""The command `report`: one HTML file about a search, that needs nothing else to be read."""
