"""The kernel side: the widget, the magics, and the description of variables."""
