"""Sphinx: the API reference of the Python package, from its docstrings and types."""

project = "flatenn"
author = "the flatenn authors"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
html_theme = "alabaster"
html_theme_options = {"description": "Quantized networks under hardware faults"}
nitpicky = False
